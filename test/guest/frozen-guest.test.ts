/**
 * A backup is struck while its guest is frozen: whatever dies, the guest goes on writing within its limit, nothing is left
 * over, and the next backup works and is incremental.
 *
 *   daemon at `vm.fork/fork/within`: the guest is frozen, its disks are not switched yet
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Client } from '@corral/api/client.gen';
import { Backup } from '@corral/api/schemas/backup';
import type { Operation } from '@corral/api/schemas/operation';
import { GuestAgent } from '@corral/qmp/guest-agent';
import { allEnded, nothingLeftOver } from '../crash/invariants.ts';
import { connectedRepository } from '../support/backups.ts';
import { bootedGuest, inGuest } from '../support/guests.ts';
import { ended, eventually, succeeded, vmInState } from '../support/operations.ts';
import { processesOf, stateOf } from '../support/processes.ts';
import { TestHost } from '../support/test-host.ts';

const dataBytes = 2 ** 27;
/** As long as a freeze may last, and what is thawed by something else than its limit is thawed before. */
const longFreezeMs = 120_000;
const beforeLimitMs = 60_000;
const shortFreezeMs = 2_000;

/** Counts on the disk, and tells in the guest's memory what is there for certain. */
const counter = `
cd /mnt/data; i=0
while true; do
  i=$((i+1))
  echo $i > counter && sync && echo $i > /run/counter.next && mv /run/counter.next /run/counter
  sleep 0.1
done`;

interface Begun {
  /** Null if the daemon dies before it has answered. */
  readonly begun: Promise<Operation | null>;
}

describe('a guest that is frozen for a backup', () => {
  let host: TestHost;
  let client: Client;
  let id: string;

  before(async () => {
    host = await TestHost.start();
    client = host.client;
    await connectedRepository(client, host.data);
    await bootedGuest(client, {
      name: 'a',
      disks: [{ name: 'data', sizeBytes: dataBytes, filesystem: 'ext4' }],
    });
    id = (await client.vm.show('a')).id;
    await inGuest(client, 'a', `(${counter}) </dev/null >/dev/null 2>&1 &`);
    await backUp();
  });
  after(() => host[Symbol.asyncDispose]());

  it('is thawed when the daemon is killed', async () => {
    await frozenBy('stop-daemon', longFreezeMs);
    await host.endDaemon('SIGKILL');
    await isThawed();
    await writesOn();
    assert.ok(!existsSync(mark()), 'without a daemon');
    await host.startDaemon();
    await leavesNothing();
  });

  it('is thawed at the limit when the daemon is stopped, and the backup does not claim what it had not', async () => {
    const { begun } = await frozenBy('stop-daemon', shortFreezeMs);
    await isThawed();
    await writesOn();
    assert.equal(stateOf(host.daemonPid), 'T');
    process.kill(host.daemonPid, 'SIGCONT');
    const { state, error } = await ended(client, (await begun)!);
    assert.deepEqual([state, error?.code], ['failed', 'guard.not-frozen']);
    await leavesNothing();
  });

  it('that was thawed too early is backed up as what it was, where no more was asked for', async () => {
    const { begun } = await frozenBy('stop-daemon', shortFreezeMs, {});
    await isThawed();
    process.kill(host.daemonPid, 'SIGCONT');
    await succeeded(client, begun as Promise<Operation>);
    const { consistency, reason } = await newest();
    assert.equal(consistency, 'crash');
    assert.match(reason!, /thawed before the disks were forked/);
    await leavesNothing();
  });

  it('is thawed by the daemon when the guard is killed, whatever the daemon waits for', async () => {
    const { begun } = await frozenBy('hold-step', longFreezeMs);
    process.kill(theGuard(), 'SIGKILL');
    await isThawed();
    await writesOn();
    const operation = (await begun)!;
    assert.equal((await client.operation.show(operation.id)).state, 'running');
    process.kill(host.daemonPid, 'SIGUSR2');
    const { state, error } = await ended(client, operation);
    assert.deepEqual([state, error?.code], ['failed', 'guard.not-frozen']);
    await leavesNothing();
  });

  it('is thawed by the daemon when the guard is stopped', async () => {
    const { begun } = await frozenBy('hold-step', shortFreezeMs);
    process.kill(theGuard(), 'SIGSTOP');
    await isThawed();
    await writesOn();
    process.kill(host.daemonPid, 'SIGUSR2');
    assert.equal((await ended(client, (await begun)!)).state, 'failed');
    await leavesNothing();
  });

  it('is thawed by the next daemon, first of all, when both are killed', async () => {
    await frozenBy('stop-daemon', longFreezeMs);
    process.kill(theGuard(), 'SIGKILL');
    assert.equal(await withAgent((agent) => agent.freezeStatus()), 'frozen');
    await host.endDaemon('SIGKILL');
    assert.equal(await withAgent((agent) => agent.freezeStatus()), 'frozen');
    await host.startDaemon();
    assert.equal(await withAgent((agent) => agent.freezeStatus()), 'thawed');
    await writesOn();
    await leavesNothing();
  });

  it('leaves nothing when its QEMU is killed', async () => {
    const { begun } = await frozenBy('stop-daemon', longFreezeMs);
    process.kill(qemu(), 'SIGKILL');
    process.kill(host.daemonPid, 'SIGCONT');
    assert.equal((await ended(client, (await begun)!)).state, 'failed');
    await vmInState(client, 'a', 'off');
    await leavesNothing();
  });

  async function frozenBy(
    action: 'stop-daemon' | 'hold-step',
    limitMs: number,
    asked: { readonly consistency?: 'filesystem' } = { consistency: 'filesystem' },
  ): Promise<Begun> {
    await host.arm(`vm.fork/fork/within=${action}`);
    const request = { repository: 'vault', freezeLimitMs: limitMs, ...asked };
    // The daemon may die before it has answered; what it began is in its records.
    const begun = client.backup.run('a', request).catch(() => null);
    await eventually(
      'it stands still',
      () => host.isArmed(),
      (armed) => !armed,
    );
    if (action === 'stop-daemon') await host.daemonStandsStill();
    assert.ok(existsSync(mark()));
    theGuard();
    return { begun };
  }

  async function isThawed(): Promise<void> {
    await eventually(
      'no guard is left',
      async () => guards(),
      (pids) => pids.length === 0,
      beforeLimitMs,
    );
    await eventually(
      'the guest is thawed',
      () => withAgent((agent) => agent.freezeStatus()),
      (status) => status === 'thawed',
      beforeLimitMs,
    );
  }

  /** Asked past the daemon, which may be dead or stopped. */
  async function writesOn(): Promise<void> {
    const count = () => withAgent(async (agent) => Number(await agent.readFile('/run/counter')));
    const earlier = await count();
    await eventually('the guest writes', count, (now) => now > earlier, beforeLimitMs);
  }

  async function withAgent<T>(work: (agent: GuestAgent) => Promise<T>): Promise<T> {
    await using agent = new GuestAgent({
      path: join(host.data, 'run', id, 'agent.sock'),
      guest: 'a',
      limitMs: beforeLimitMs,
    });
    return await work(agent);
  }

  async function leavesNothing(): Promise<void> {
    await allEnded(client);
    const before = await newest();
    const next = await backUp();
    assert.equal(next.base, before.id, 'the next one is incremental');
    for (const { readBytes } of next.disks) assert.ok(readBytes < dataBytes / 8, `${readBytes} bytes`);
    const { state } = await client.vm.show('a');
    assert.equal(next.consistency, state === 'running' ? 'filesystem' : 'crash');
    await eventually(
      'layers are merged',
      async () => (await client.vm.show('a')).disks[0]!.parents,
      ({ length }) => length <= 2,
    );
    await nothingLeftOver(client, host.data, host.daemonPid);
  }

  async function backUp(): Promise<Backup> {
    await succeeded(client, client.backup.run('a', { repository: 'vault' }));
    return await newest();
  }

  async function newest(): Promise<Backup> {
    const { items } = await client.backup.list({ repository: 'vault', vm: 'a' });
    return Backup.parse(items.at(-1));
  }

  function mark(): string {
    return join(host.data, 'run', `${id}.frozen`);
  }

  function guards(): number[] {
    return processesNaming('guard-process.ts');
  }

  function theGuard(): number {
    const [guard, ...others] = guards();
    assert.ok(guard !== undefined && others.length === 0, 'one guard');
    return guard;
  }

  function qemu(): number {
    const [pid, ...others] = processesNaming('qemu-system');
    assert.ok(pid !== undefined && others.length === 0, 'one QEMU');
    return pid;
  }

  function processesNaming(text: string): number[] {
    return processesOf(host.data).filter((pid) =>
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text),
    );
  }
});
