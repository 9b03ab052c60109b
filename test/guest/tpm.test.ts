/** The TPM's process beside QEMU: never more than one, and none is left when a start fails. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { succeeded } from '../support/operations.ts';
import { processesOf } from '../support/processes.ts';
import { TestHost } from '../support/test-host.ts';

const profile = { profile: 'windows', secureBoot: false, firmware: 'bios' } as const;

describe('a TPM', () => {
  it('that a killed daemon had started stands in no way', async () => {
    await using host = await TestHost.start();
    const { client, data } = host;
    await succeeded(client, client.vm.create({ name: 'a', ...profile }));
    const { id } = await client.vm.show('a');
    const state = `vms/${id}/tpm`;
    await mkdir(join(data, state));
    const socket = `type=unixio,path=${join(data, 'old.sock')}`;
    const old = spawn('swtpm', ['socket', '--tpm2', '--tpmstate', `dir=${state}`, '--ctrl', socket], {
      cwd: data,
      stdio: 'ignore',
    });
    const ended = once(old, 'exit');
    await once(old, 'spawn');
    await succeeded(client, client.vm.start('a'));
    await ended;
    assert.equal(processesOf(data).length, 3, 'the daemon, QEMU and one TPM');
    await succeeded(client, client.vm.stop('a'));
    assert.deepEqual(processesOf(data), [host.daemonPid]);
  });

  it('ends again when the start fails', async () => {
    await using host = await TestHost.start();
    const { client, data } = host;
    await succeeded(
      client,
      client.vm.create({ name: 'a', ...profile, disks: [{ name: 'd', sizeBytes: 2 ** 20 }] }),
    );
    const { path } = (await client.vm.show('a')).disks[0]!;
    // Somebody else has the disk: QEMU's lock refuses it after the TPM was started.
    const locker = spawn('qemu-io', ['-f', 'qcow2', path], { stdio: ['pipe', 'pipe', 'ignore'] });
    const lockerEnded = once(locker, 'exit');
    try {
      await once(locker.stdout, 'data');
      await assert.rejects(succeeded(client, client.vm.start('a')), /lock/);
      assert.deepEqual(
        processesOf(data).filter((pid) => pid !== locker.pid),
        [host.daemonPid],
      );
    } finally {
      locker.stdin.end();
      await lockerEnded;
    }
  });
});
