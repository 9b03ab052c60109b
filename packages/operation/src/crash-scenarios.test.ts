/** An operation of three kinds of steps, through every failure, crash and cancel. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defineOperation } from './operation.ts';
import { crashScenarios, type OperationWorld, runScenario } from './operation-testing.ts';

interface Input {
  readonly name: string;
}

interface Results {
  check: null;
  'make-folder': { folder: string };
  'make-file': { file: string };
  register: null;
  announce: null;
}

/** Things that a careless operation would leave behind. */
class World implements OperationWorld<Input> {
  readonly things = new Set<string>();
  readonly input = { name: 'web1' };
  readonly operation;

  constructor(afterCrash: 'resume' | 'undo', pivotUndo: boolean) {
    const { things } = this;
    this.operation = defineOperation<Input, Results>({
      kind: 'test.create',
      input: (json) => json as Input,
      target: ({ name }) => [`vm/${name}`],
      title: ({ name }) => `Create ${name}`,
      cancellable: true,
      afterCrash,
      steps: [
        { name: 'check', run: async () => null },
        {
          name: 'make-folder',
          run: async ({ input }) => {
            things.add(`folder ${input.name}`);
            return { folder: input.name };
          },
          undo: async ({ input }) => {
            things.delete(`folder ${input.name}`);
          },
        },
        {
          name: 'make-file',
          run: async ({ result }) => {
            const file = `${result('make-folder').folder}/file`;
            things.add(`file ${file}`);
            return { file };
          },
          undo: async ({ input }) => {
            things.delete(`file ${input.name}/file`);
          },
        },
        {
          name: 'register',
          pivot: true,
          run: async ({ input }) => {
            things.add(`record ${input.name}`);
            return null;
          },
          ...(pivotUndo
            ? {
                undo: async ({ input }: { input: Input }) => {
                  things.delete(`record ${input.name}`);
                },
              }
            : {}),
        },
        {
          name: 'announce',
          run: async ({ result }) => {
            things.add(`announced ${result('make-file').file}`);
            return null;
          },
        },
      ],
      output: (_, results) => results['make-file'],
    });
  }

  async leftOvers(): Promise<readonly string[]> {
    return [...this.things];
  }

  async check({ output }: { output: unknown }): Promise<void> {
    assert.deepEqual(output, { file: 'web1/file' });
    assert.deepEqual([...this.things].sort(), [
      'announced web1/file',
      'file web1/file',
      'folder web1',
      'record web1',
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.things.clear();
  }
}

for (const afterCrash of ['resume', 'undo'] as const) {
  for (const pivotUndo of [true, false]) {
    describe(`after a crash ${afterCrash}, a pivot ${pivotUndo ? 'with' : 'without'} undo`, () => {
      const { operation } = new World(afterCrash, pivotUndo);
      for (const scenario of crashScenarios(operation)) {
        test(scenario.name, () => runScenario(scenario, async () => new World(afterCrash, pivotUndo)));
      }
    });
  }
}

test('an operation that leaves something behind is caught', async () => {
  class Careless extends World {
    override async leftOvers(): Promise<readonly string[]> {
      return ['a lock'];
    }
  }
  const { operation } = new Careless('undo', true);
  const failing = crashScenarios(operation).find(({ name }) => name === 'make-file fails before');
  await assert.rejects(
    runScenario(failing!, async () => new Careless('undo', true)),
    /left over/,
  );
});
