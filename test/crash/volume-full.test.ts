/**
 * The data directory's volume is full to the last byte. What needs space is refused and says so, nothing that was there
 * is lost, what frees space is still possible, and with space everything works as before.
 */
import assert from 'node:assert/strict';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isApiProblem } from '@corral/api/api-problem';
import type { Client } from '@corral/api/client.gen';
import type { Operation } from '@corral/api/schemas/operation';
import { ended, succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';
import { allEnded, nothingLeftOver } from './invariants.ts';

const MiB = 2 ** 20;
const limitMs = 180_000;
/** More than enough for the store to run out of what it keeps back. */
const mostChanges = 400;

describe('a data directory without space', () => {
  it('refuses what needs space, loses nothing, and goes on', { timeout: limitMs }, async () => {
    // Too small for the store to keep space back.
    await using host = await TestHost.start({ volumeBytes: 64 * MiB });
    const { client, data } = host;
    await succeeded(client, createVm(client, 'a'));
    await fill(data);

    const refusals = [
      await refusal(client, () => createVm(client, 'b')),
      await refusal(client, () => client.vm.clone('a', { name: 'c' })),
    ];
    for (const refused of refusals) assert.match(refused, /free some space/i);
    await untilRefused(client);
    assert.deepEqual(await names(client), ['a']);

    // With the store full too, the daemon can be killed, starts, and still shows what there is.
    await host.restart('SIGKILL');
    assert.deepEqual(await names(client), ['a']);

    await rm(join(data, 'filler'));
    await allEnded(client);
    await nothingLeftOver(client, data, host.daemonPid);
    await succeeded(client, createVm(client, 'b'));
    await succeeded(client, client.vm.start('b'));
    await succeeded(client, client.vm.stop('b'));
    await succeeded(client, client.vm.delete('b', { ifMatch: '*' }));
    await nothingLeftOver(client, data, host.daemonPid);
  });

  it('refuses to start a daemon with an error that names the file', { timeout: limitMs }, async () => {
    await using host = await TestHost.start({ volumeBytes: 64 * MiB });
    const { data } = host;
    await host.endDaemon('SIGTERM');
    await rm(join(data, 'corral.db'));
    await fill(data);
    await assert.rejects(host.startDaemon(), /corral\.db.*(full|No space)|no space left/is);
    await rm(join(data, 'filler'));
    await host.startDaemon();
    assert.deepEqual(await names(host.client), []);
  });
});

const createVm = (client: Client, name: string): Promise<Operation> =>
  client.vm.create({ name, memoryBytes: 64 * MiB, disks: [{ name: 'data', sizeBytes: MiB }] });

async function names(client: Client): Promise<string[]> {
  return (await client.vm.list({})).items.map(({ name }) => name);
}

/** Down to the last byte. */
async function fill(data: string): Promise<void> {
  await using file = await open(join(data, 'filler'), 'w');
  for (const size of [MiB, 4096, 1]) {
    for (let full = false; !full; ) {
      full = await file.write(Buffer.alloc(size)).then(
        ({ bytesWritten }) => bytesWritten < size,
        (cause: NodeJS.ErrnoException) => {
          if (cause.code !== 'ENOSPC') throw cause;
          return true;
        },
      );
    }
  }
}

/** What stood against it: at once, or while it was being done. */
async function refusal(client: Client, begin: () => Promise<Operation>): Promise<string> {
  try {
    const operation = await ended(client, await begin());
    assert.equal(operation.state, 'failed');
    return operation.error?.detail ?? '';
  } catch (cause) {
    if (isApiProblem(cause)) return cause.message;
    throw cause;
  }
}

/** Changes that need no space but the store's, until that has none. */
async function untilRefused(client: Client): Promise<void> {
  for (let change = 0; change < mostChanges; change += 1) {
    try {
      await ended(client, await client.vm.update('a', { cpus: 1 + (change % 2) }, { ifMatch: '*' }));
    } catch (cause) {
      assert.ok(isApiProblem(cause), String(cause));
      assert.equal(cause.code, 'store.full');
      return;
    }
  }
  assert.fail('the store never ran out of space');
}
