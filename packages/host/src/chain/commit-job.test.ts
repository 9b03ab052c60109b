import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { QmpClient } from '@corral/qmp/qmp-client';
import { sampleLayer } from '../testing/sample-chains.ts';
import { commitLayer } from './commit-job.ts';

/** A QEMU that carries out a command although whoever sent it has stopped waiting. */
class SlowQemu {
  readonly told: string[] = [];
  readonly #abort: () => void;
  #job: { id: string; status: string } | null = null;

  constructor(abort: () => void) {
    this.#abort = abort;
  }

  execute(command: string, args: { id?: string; 'job-id'?: string } = {}): Promise<unknown> {
    this.told.push(command);
    switch (command) {
      case 'query-jobs':
        return Promise.resolve(this.#job ? [this.#job] : []);
      case 'x-debug-query-block-graph':
        return Promise.resolve({ nodes: [], edges: [] });
      case 'block-commit':
        this.#job = { id: args['job-id']!, status: 'running' };
        this.#abort();
        return Promise.reject(new Error('called off'));
      case 'job-cancel':
        this.#job!.status = 'concluded';
        return Promise.resolve({});
      case 'job-dismiss':
        this.#job = null;
        return Promise.resolve({});
      default:
        return Promise.resolve({});
    }
  }

  async waitFor(_what: string, level: () => Promise<unknown>): Promise<void> {
    assert.ok(await level());
  }

  get works(): boolean {
    return this.#job !== null;
  }
}

it('a commit that is called off while QEMU is told to begin leaves no job at work', async () => {
  const called = new AbortController();
  const qemu = new SlowQemu(() => called.abort());
  const merge = { upper: sampleLayer('upper'), lower: sampleLayer('lower') };
  const options = {
    topPath: merge.upper.path,
    lowerFile: merge.lower.path,
    speed: 0,
    signal: called.signal,
    progress: () => undefined,
  };
  await assert.rejects(commitLayer(qemu as unknown as QmpClient, merge, options), /called off/);
  assert.equal(qemu.works, false);
  assert.ok(qemu.told.includes('blockdev-reopen'), 'what it has copied is written out');
});
