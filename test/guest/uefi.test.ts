/** Guests with UEFI firmware: their variables, Secure Boot and a TPM. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Client } from '@corral/api/client.gen';
import { makeEfiDisk, signedMicroGuest } from '../support/boot-disks.ts';
import { bootEntry, uint16, variable, variablePath } from '../support/boot-entries.ts';
import { agentAnswers, inGuest } from '../support/guests.ts';
import { eventually, succeeded } from '../support/operations.ts';
import { processesOf } from '../support/processes.ts';
import { TestHost } from '../support/test-host.ts';

const MiB = 2 ** 20;
const commandLine = 'console=ttyS0 quiet';

async function scratchFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'corral-uefi-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

async function writeVariable(client: Client, vm: string, name: string, data: Buffer): Promise<void> {
  // The kernel takes a variable in one write.
  const command = ['dd', `of=${variablePath(name)}`, 'bs=64k'];
  const stdin = variable(data).toString('base64');
  const { exitCode, stderr } = await client.guest.exec(vm, { command, stdin });
  assert.equal(exitCode, 0, stderr);
}

async function readVariable(client: Client, vm: string, name: string): Promise<Buffer> {
  const hex = await inGuest(client, vm, `hexdump -v -e '1/1 "%02x"' ${variablePath(name)}`);
  return Buffer.from(hex, 'hex').subarray(4);
}

/** Which way the guest came up: the boot loader's configuration and the boot entry give it different names. */
async function bootedAs(client: Client, vm: string, name: string): Promise<void> {
  await eventually(
    `${vm} is booted as ${name}`,
    // While it boots its agent does not answer.
    () => client.guest.exec(vm, { command: ['hostname'], limitMs: 5000 }).catch(() => null),
    (result) => result?.stdout.trim() === name,
  );
}

// Most of the time goes into firmware that nobody accelerates: the two run beside each other.
describe('a guest with UEFI firmware', { concurrency: 2 }, () => {
  it('boots from its disk, then from an entry that it wrote, after a save and as a clone too', async () => {
    await using folder = await scratchFolder();
    await using host = await TestHost.start();
    const { client } = host;
    const files = await signedMicroGuest(`${commandLine} corral.hostname=loader`);
    const disk = await makeEfiDisk(join(folder.path, 'disk.raw'), 64, files);
    const disks = [{ name: 'root', from: disk.path }];
    await succeeded(
      client,
      client.vm.create({ name: 'a', profile: 'micro', firmware: 'uefi', memoryBytes: 512 * MiB, disks }),
    );
    await succeeded(client, client.vm.start('a'));
    await bootedAs(client, 'a', 'loader');

    const kernelLine = `initrd=\\initrd ${commandLine} corral.hostname=entry`;
    const entry = bootEntry('Corral test', disk, '\\vmlinuz', kernelLine);
    await writeVariable(client, 'a', 'Boot0100', entry);
    const order = await readVariable(client, 'a', 'BootOrder');
    await writeVariable(client, 'a', 'BootOrder', Buffer.concat([uint16(0x100), order]));
    await succeeded(client, client.vm.save('a'));
    await succeeded(client, client.vm.start('a'));
    await agentAnswers(client, 'a');
    assert.deepEqual(await readVariable(client, 'a', 'Boot0100'), entry);

    await succeeded(client, client.vm.reset('a'));
    await bootedAs(client, 'a', 'entry');
    await succeeded(client, client.vm.shutdown('a', {}));
    await succeeded(client, client.vm.clone('a', { name: 'b', start: true }));
    await bootedAs(client, 'b', 'entry');
    assert.deepEqual(await readVariable(client, 'b', 'Boot0100'), entry);
  });

  it('and the profile windows has Secure Boot on and a TPM that measured it, over save and clone', async () => {
    await using folder = await scratchFolder();
    await using host = await TestHost.start();
    const { client } = host;
    const disk = await makeEfiDisk(join(folder.path, 'disk.raw'), 64, await signedMicroGuest(commandLine));
    const disks = [{ name: 'root', from: disk.path }];
    await succeeded(
      client,
      client.vm.create({ name: 'a', profile: 'windows', memoryBytes: 512 * MiB, disks }),
    );
    await succeeded(client, client.vm.start('a'));
    await agentAnswers(client, 'a');
    const measured = await assertSecure(client, 'a');

    await succeeded(client, client.vm.save('a'));
    assert.deepEqual(
      processesOf(host.data).length,
      1,
      'of the daemon, QEMU and the TPM the daemon alone is there',
    );
    await succeeded(client, client.vm.start('a'));
    await agentAnswers(client, 'a');
    assert.equal(await assertSecure(client, 'a'), measured);

    await succeeded(client, client.vm.shutdown('a', {}));
    await succeeded(client, client.vm.clone('a', { name: 'b' }));
    await succeeded(client, client.vm.start('b'));
    await agentAnswers(client, 'b');
    assert.equal(await assertSecure(client, 'b'), measured, 'the same firmware, keys and loaders');
  });
});

/** @returns the TPM's register 7: which keys Secure Boot checked with */
async function assertSecure(client: Client, vm: string): Promise<string> {
  assert.deepEqual([...(await readVariable(client, vm, 'SecureBoot'))], [1]);
  assert.equal((await inGuest(client, vm, 'cat /sys/class/tpm/tpm0/tpm_version_major')).trim(), '2');
  const register = (await inGuest(client, vm, 'cat /sys/class/tpm/tpm0/pcr-sha256/7')).trim();
  assert.match(register, /^[0-9A-F]{64}$/);
  assert.notEqual(register, '0'.repeat(64));
  return register;
}
