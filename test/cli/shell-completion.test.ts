/** Completion in real shells: what the Tab key makes of a line shows in what the daemon is asked. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import test from 'node:test';
import { promisify } from 'node:util';
import { FakeDaemon } from '@corral/cli/testing/fake-daemon';
import { sampleOperation, sampleVm } from '@corral/cli/testing/samples';
import { projectRoot, runInTerminal } from './run-in-terminal.ts';

const shells = [
  { name: 'bash', command: 'bash --norc --noprofile -i', prepare: '' },
  { name: 'zsh', command: 'zsh -f -i', prepare: 'autoload -Uz compinit; compinit -u -D\n' },
] as const;

async function isMissing(program: string): Promise<boolean> {
  try {
    await promisify(execFile)('sh', ['-c', `command -v ${program}`]);
    return false;
  } catch {
    // `command -v` ends with 127 when there is no such program.
    return true;
  }
}

/** The project is home to it, and finds no history there afterwards. */
function shellEnvironment({ socketPath }: FakeDaemon): Record<string, string> {
  return { CORRAL_SOCKET: socketPath, HOME: projectRoot, HISTFILE: '' };
}

for (const { name, command, prepare } of shells) {
  test(`${name} completes commands, names of VMs, options and their values`, {
    timeout: 60_000,
  }, async (t) => {
    if (await isMissing(name)) return t.skip(`${name} is not installed: apt-get install ${name}`);
    await using daemon = await FakeDaemon.start({
      'vm.list': () => ({ items: [sampleVm({ name: 'alpha' }), sampleVm({ name: 'beta' })], next: null }),
      'vm.clone': () => sampleOperation(),
    });
    await using shell = runInTerminal(command, shellEnvironment(daemon));
    shell.type(`${prepare}source <(corral completion ${name})\necho rea''dy\n`);
    await shell.shows('ready');
    shell.type('corral vm clo\tbe\tgamma --no-w\t-o js\t; echo en""ded\n');
    await shell.shows('ended');
    shell.type('exit\n');
    await shell.exitCode;
    const request = daemon.requests.findLast(({ route }) => route === 'vm.clone');
    assert.deepEqual(request?.params, { vm: 'beta' }, shell.screen());
    assert.equal((request.body as { name: string }).name, 'gamma');
    assert.match(shell.screen(), /"id": "cccccccc-/);
  });

  test(`${name} completes a value behind = and files`, { timeout: 60_000 }, async (t) => {
    if (await isMissing(name)) return t.skip(`${name} is not installed: apt-get install ${name}`);
    await using daemon = await FakeDaemon.start({ 'vm.create': () => sampleOperation() });
    await using shell = runInTerminal(command, shellEnvironment(daemon));
    shell.type(`${prepare}source <(corral completion ${name})\ncd ${projectRoot}; echo rea''dy\n`);
    await shell.shows('ready');
    shell.type('corral vm create x --no-wait --firmware=ue\t --iso biome.js\t; echo en""ded\n');
    await shell.shows('ended');
    shell.type('exit\n');
    await shell.exitCode;
    const body = daemon.requests.findLast(({ route }) => route === 'vm.create')?.body;
    assert.ok(body, shell.screen());
    const { firmware, iso } = body as { firmware: string; iso: string };
    assert.deepEqual([firmware, iso], ['uefi', `${projectRoot}/biome.json`]);
  });
}
