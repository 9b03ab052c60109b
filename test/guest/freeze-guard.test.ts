/** Whatever dies between freeze and thaw, the guest is thawed within its limit. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { GuestAgent } from '@corral/qmp/guest-agent';
import { projectRoot } from '../../tools/node-path.mjs';
import { bootedGuest, inGuest } from '../support/guests.ts';
import { eventually } from '../support/operations.ts';
import { processesOf } from '../support/processes.ts';
import { TestHost } from '../support/test-host.ts';

describe('a frozen guest', () => {
  let host: TestHost;
  let id: string;

  before(async () => {
    host = await TestHost.start();
    await bootedGuest(host.client, {
      name: 'a',
      disks: [{ name: 'data', sizeBytes: 2 ** 27, filesystem: 'ext4' }],
    });
    id = (await host.client.vm.show('a')).id;
  });
  after(() => host[Symbol.asyncDispose]());

  it('is thawed when the daemon says so', async () => {
    await using daemon = await freezingDaemon(10_000);
    daemon.child.stdin!.write('go on\n');
    const thawed = JSON.parse(await daemon.nextLine());
    assert.equal(thawed.inTime, true);
    assert.ok(thawed.frozenMs < 10_000, `${thawed.frozenMs} ms`);
    await writes();
  });

  it('is thawed when the daemon is killed', async () => {
    await using daemon = await freezingDaemon(60_000);
    daemon.child.kill('SIGKILL');
    assert.ok((await untilThawed()) < 30_000, 'long before the limit');
    await writes();
  });

  it('is thawed at the limit when the daemon is stopped', async () => {
    await using daemon = await freezingDaemon(4_000);
    daemon.child.kill('SIGSTOP');
    await untilThawed();
    await writes();
    daemon.child.kill('SIGCONT');
    daemon.child.stdin!.write('go on\n');
    assert.equal(JSON.parse(await daemon.nextLine()).inTime, false);
  });

  it('is thawed by the daemon when the guard is killed', async () => {
    await using daemon = await freezingDaemon(60_000);
    const [guard] = guards();
    process.kill(guard!, 'SIGKILL');
    daemon.child.stdin!.write('go on\n');
    assert.equal(JSON.parse(await daemon.nextLine()).inTime, false);
    await writes();
  });

  it('is thawed by the next daemon when both are killed', async () => {
    await using daemon = await freezingDaemon(60_000);
    const [guard] = guards();
    process.kill(guard!, 'SIGSTOP');
    daemon.child.kill('SIGKILL');
    process.kill(guard!, 'SIGKILL');
    await access(join(host.data, 'run', `${id}.frozen`));
    await host.restart();
    await assert.rejects(access(join(host.data, 'run', `${id}.frozen`)), { code: 'ENOENT' });
    await writes();
  });

  function guards(): number[] {
    return processesOf(host.data).filter((pid) =>
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('guard-process.ts'),
    );
  }

  async function writes(): Promise<void> {
    await inGuest(host.client, 'a', 'echo more >> /mnt/data/file && sync');
  }

  async function untilThawed(): Promise<number> {
    const since = performance.now();
    await eventually(
      'the guard has ended',
      async () => guards(),
      (pids) => pids.length === 0,
    );
    await using agent = new GuestAgent({ path: join(host.data, 'run', id, 'agent.sock'), guest: 'a' });
    assert.equal(await agent.freezeStatus(), 'thawed');
    return performance.now() - since;
  }

  async function freezingDaemon(limitMs: number): Promise<FreezingDaemon> {
    const program = join(projectRoot, 'test/support/freeze-fixture.ts');
    const child = spawn(process.execPath, [program, host.data, id, String(limitMs)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const daemon = new FreezingDaemon(child);
    assert.equal(await daemon.nextLine(), 'frozen');
    return daemon;
  }
});

class FreezingDaemon implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(child: ChildProcess) {
    this.child = child;
    this.#lines = createInterface(child.stdout!)[Symbol.asyncIterator]();
  }

  async nextLine(): Promise<string> {
    return (await this.#lines.next()).value ?? '';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGKILL');
      await once(this.child, 'exit');
    }
  }
}
