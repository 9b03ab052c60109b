import assert from 'node:assert/strict';
import test from 'node:test';
import { runCli } from './testing/run-cli.ts';

test('help is at every level, on standard output, with examples', async () => {
  for (const words of [
    [],
    ['vm'],
    ['vm', 'create'],
    ['vm', 'disk'],
    ['vm', 'disk', 'add'],
    ['disk', 'convert'],
  ]) {
    const { exitCode, stdout, stderr } = await runCli([...words, '--help']);
    assert.equal(exitCode, 0);
    assert.equal(stderr, '');
    assert.match(stdout, new RegExp(`^Usage: ${['corral', ...words].join(' ')} `));
    assert.match(stdout, /\nExamples:\n {2}\$ corral /);
    assert.deepEqual((await runCli(['help', ...words])).stdout, stdout);
  }
});

test('a command that is missing or misspelt is a mistake in usage', async () => {
  const missing = await runCli(['vm']);
  assert.equal(missing.exitCode, 2);
  assert.equal(missing.stdout, '');
  assert.match(missing.stderr, /^Usage: corral vm/);
  const misspelt = await runCli(['vm', 'lst']);
  assert.equal(misspelt.exitCode, 2);
  assert.equal(
    misspelt.stderr,
    `error: Unknown command 'lst' (Did you mean list?) See "corral vm --help". [cli.usage]\n`,
  );
});

test('a mistake names the command whose help has more', async () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['vm', 'create'], /Missing required argument 'name'\. See "corral vm create --help"/],
    [['vm', 'create', 'a', 'b'], /Too many arguments/],
    [['vm', 'create', 'a', '--memroy', '1GiB'], /Unknown option '--memroy'/],
    [['vm', 'create', 'a', '--firmware', 'bois'], /Allowed choices are bios, uefi/],
    [['token', 'create'], /Required option '--role <role>' not specified/],
    [['vm', 'set', 'a'], /Nothing to change was given/],
    [['vm', 'create', 'a', '--initrd', 'x'], /go with --kernel/],
    [['vm', 'list', '--socket', '/a', '--endpoint', 'https://b'], /name two daemons/],
  ];
  for (const [args, message] of cases) {
    const { exitCode, stdout, stderr } = await runCli(args);
    assert.equal(exitCode, 2, args.join(' '));
    assert.equal(stdout, '');
    assert.match(stderr, message);
    assert.match(stderr, /\[cli\.usage\]\n$/);
  }
});

test('with -o json a mistake is a problem object, wherever the option stands', async () => {
  for (const args of [
    ['-o', 'json', 'vm', 'create'],
    ['vm', 'create', '--output=json'],
    ['-ojson', 'vm', 'create'],
  ]) {
    const { exitCode, stderr } = await runCli(args);
    assert.equal(exitCode, 2);
    const problem = JSON.parse(stderr) as Record<string, unknown>;
    assert.equal(problem['type'], 'urn:corral:error:cli.usage');
    assert.equal(problem['status'], 400);
  }
});

test('the version is printed', async () => {
  const { exitCode, stdout } = await runCli(['--version']);
  assert.equal(exitCode, 0);
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
});
