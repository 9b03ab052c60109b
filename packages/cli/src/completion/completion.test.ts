import assert from 'node:assert/strict';
import test from 'node:test';
import { FakeDaemon } from '../testing/fake-daemon.ts';
import { runCli } from '../testing/run-cli.ts';
import { sampleDisk, sampleVm } from '../testing/samples.ts';
import { splitLine } from './split-line.ts';

interface Completed {
  readonly files: string | undefined;
  readonly values: readonly string[];
}

async function complete(shell: 'bash' | 'zsh', ...args: readonly string[]): Promise<Completed> {
  const { exitCode, stdout, stderr } = await runCli(['__complete', shell, ...args]);
  assert.equal(exitCode, 0);
  assert.equal(stderr, '');
  const [files, ...lines] = stdout.trimEnd().split('\n');
  return { files, values: lines.map((line) => line.split('\t')[0]!) };
}

const zsh = (...words: readonly string[]): Promise<Completed> => complete('zsh', ...words);
const bash = (line: string, breaks = ' \t\n"\'><=;|&(:'): Promise<Completed> =>
  complete('bash', breaks, line);

test('a line is split as bash does it, the last word unfinished', () => {
  assert.deepEqual(splitLine('corral vm '), ['corral', 'vm', '']);
  assert.deepEqual(splitLine('corral  vm sta'), ['corral', 'vm', 'sta']);
  assert.deepEqual(splitLine(`corral --iso 'a b' "c\\"d" e\\ f "g`), [
    'corral',
    '--iso',
    'a b',
    'c"d',
    'e f',
    'g',
  ]);
  assert.deepEqual(splitLine(''), ['']);
});

test('commands and subcommands', async () => {
  assert.deepEqual((await zsh('op')).values, ['operation']);
  assert.deepEqual((await zsh('vm', 're')).values, ['register', 'resume', 'reset', 'rename']);
  assert.deepEqual((await zsh('vm', 'disk', '')).values, ['list', 'add', 'resize', 'accept', 'remove']);
  assert.deepEqual((await zsh('--output', 'json', 'host', 'd')).values, ['doctor']);
  assert.deepEqual((await zsh('nonsense', '')).values, []);
});

test('options of the command and of every command', async () => {
  assert.deepEqual((await zsh('vm', 'create', '--n')).values, [
    '--network',
    '--no-secure-boot',
    '--no-tpm',
    '--no-wait',
  ]);
  assert.deepEqual((await zsh('vm', 'list', '--sock')).values, ['--socket']);
  assert.deepEqual((await zsh('vm', 'exec', 'a', '--', '-')).values, []);
});

test('values of options and arguments', async () => {
  assert.deepEqual((await zsh('vm', 'create', 'x', '--firmware', '')).values, ['bios', 'uefi']);
  assert.deepEqual((await zsh('vm', 'create', 'x', '--firmware=u')).values, ['--firmware=uefi']);
  assert.deepEqual((await zsh('image', 'build', '')).values, ['micro']);
  assert.equal((await zsh('vm', 'create', 'x', '--iso', '')).files, 'files');
  assert.equal((await zsh('disk', 'inspect', '')).files, 'files');
  assert.equal((await zsh('vm', 'create', '')).files, 'none');
});

test('bash gets only what follows its last word break', async () => {
  assert.deepEqual((await bash('corral vm create x --firmware=u')).values, ['uefi']);
  assert.deepEqual((await bash('corral vm create x --firmware=u', ' \t\n')).values, ['--firmware=uefi']);
  assert.deepEqual((await bash('corral vm port add web1 bri')).values, ['bridge:']);
});

test('names come from the daemon that the line names; without one there are none', async () => {
  await using daemon = await FakeDaemon.start({
    'vm.list': () => ({ items: [sampleVm(), sampleVm({ name: 'db1' })], next: null }),
    'vm.disk.list': ({ params }) => ({ items: [sampleDisk({ name: `of-${params['vm']}` })], next: null }),
  });
  const at = ['--socket', daemon.socketPath];
  assert.deepEqual((await zsh(...at, 'vm', 'start', '')).values, ['web1', 'db1']);
  assert.deepEqual((await zsh('vm', 'show', ...at, 'd')).values, ['db1']);
  assert.deepEqual((await zsh(...at, 'vm', 'disk', 'remove', 'web1', '')).values, ['of-web1']);
  assert.deepEqual((await zsh(...at, 'operation', 'list', '--vm', 'w')).values, ['web1']);
  assert.deepEqual((await zsh('--socket', '/nowhere', 'vm', 'start', '')).values, []);
});
