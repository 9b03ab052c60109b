import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { allRoutes } from '@corral/api/routes';
import { generate } from '../generate.ts';
import { runCli } from '../testing/run-cli.ts';
import { type CommandEntry, isGroup } from './command-tree.ts';
import { rootGroup } from './root.ts';

interface Placed {
  readonly words: readonly string[];
  readonly entry: CommandEntry;
}

async function* everyCommand(
  commands: Readonly<Record<string, CommandEntry>> = rootGroup.commands,
  above: readonly string[] = [],
): AsyncGenerator<Placed> {
  for (const [name, entry] of Object.entries(commands)) {
    const words = [...above, name];
    yield { words, entry };
    const node = await entry.load();
    if (isGroup(node)) yield* everyCommand(node.commands, words);
  }
}

test('every command loads, shows help and has a summary of one line', async () => {
  for await (const { words, entry } of everyCommand()) {
    assert.match(entry.summary, /^[A-Z].{3,70}[^.]$/, words.join(' '));
    const { exitCode, stdout } = await runCli([...words, '--help']);
    assert.equal(exitCode, 0, words.join(' '));
    assert.match(stdout, /^Options of every command:$/m);
  }
});

test('every command has examples of itself', async () => {
  for await (const { words, entry } of everyCommand()) {
    const { examples } = await entry.load();
    assert.ok(examples.length > 0, words.join(' '));
    for (const { command, explains } of examples) {
      assert.match(explains, /[^.]$/);
      assert.ok(command.includes(`corral ${words.join(' ')}`), command);
    }
  }
});

/** Null where a word stands in the place of a command and is none. */
async function commandOf(call: string): Promise<string[] | null> {
  const words: string[] = [];
  let commands: Readonly<Record<string, CommandEntry>> = rootGroup.commands;
  for (const word of call.split(/\s+/).slice(1)) {
    const entry = commands[word];
    if (!entry) return Object.keys(commands).length > 0 && /^[a-z]/.test(word) ? null : words;
    words.push(word);
    const node = await entry.load();
    commands = isGroup(node) ? node.commands : {};
  }
  return words;
}

test('every command that an error, an event or a page names exists, with its options', async () => {
  const root = new URL('../../../../', import.meta.url);
  const pages = ['README.md', ...globSync('docs/**/*.md', { cwd: root })];
  const wrong: string[] = [];
  for (const page of pages) {
    const text = readFileSync(new URL(page, root), 'utf8');
    for (const call of new Set(text.match(/(?<=["`])corral [a-z][^"`\n]*/g))) {
      const words = await commandOf(call);
      const { stdout } = await runCli([...(words ?? []), '--help']);
      const options = call.match(/(?<=\s)--[a-z][a-z-]*/g) ?? [];
      if (!words || options.some((option) => !stdout.includes(option))) wrong.push(`${page}: ${call}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('the reference names every command and every exit code', async () => {
  const reference = (await generate()).get('docs/cli.md') ?? '';
  for await (const { words } of everyCommand()) {
    assert.match(reference, new RegExp(`^#+ corral ${words.join(' ')}$`, 'm'));
  }
  assert.match(reference, /^\| 130 \| /m);
});

/** The display is for viewers, which get a ticket; the others are for programs that watch or describe the daemon. */
const notForPeople = new Set(['vm.display', 'service.health', 'service.metrics', 'service.openapi']);

test('every route of the contract can be reached from the command line', () => {
  const folder = new URL('..', import.meta.url);
  const source = globSync('**/*.ts', { cwd: folder })
    .filter((path) => !path.endsWith('.test.ts'))
    .map((path) => readFileSync(new URL(path, folder), 'utf8'))
    .join('\n');
  const call = (id: string): string =>
    `client.${id.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())}(`;
  const missing = allRoutes()
    .map(({ id }) => id)
    .filter((id) => !notForPeople.has(id) && !source.includes(call(id)));
  assert.deepEqual(missing, []);
});
