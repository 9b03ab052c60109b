/** What operations on volumes need before they can be begun, and what must hold of a volume afterwards. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@corral/api/client.gen';
import { OwnerFile, ownerFileName } from '@corral/host/volume/owner-file';
import { succeeded } from '../support/operations.ts';
import { synced } from '../support/synced.ts';
import type { Scenario } from './scenarios.ts';

const place = (data: string): string => join(data, 'volume');

/** An empty folder, whatever a scenario before left there. */
async function emptyPlace(_client: Client, data: string): Promise<void> {
  await rm(place(data), { recursive: true, force: true });
  await mkdir(place(data), { mode: 0o755 });
  await synced(place(data));
}

export async function addedVolume(client: Client, data: string): Promise<void> {
  await emptyPlace(client, data);
  await succeeded(client, client.volume.add({ name: 'v', path: place(data) }));
}

async function ownedByAnother(client: Client, data: string): Promise<void> {
  await emptyPlace(client, data);
  const since = '2025-01-01T00:00:00.000Z';
  const file: OwnerFile = {
    format: 'corral-volume/1',
    id: 'a0000000-0000-4000-8000-000000000000',
    createdAt: since,
    generation: 7,
    owner: { kind: 'host', id: 'b0000000-0000-4000-8000-000000000000', name: 'other', since },
  };
  await writeFile(join(place(data), ownerFileName), JSON.stringify(file));
  await synced(place(data));
}

export const volumeScenarios: Readonly<Record<string, Scenario>> = {
  'volume.add': {
    prepare: emptyPlace,
    begin: (client, data) => client.volume.add({ name: 'v', path: place(data) }),
  },
  'volume.seize': {
    prepare: ownedByAnother,
    begin: (client, data) => client.volume.seize('v', { path: place(data) }),
  },
  'volume.set': {
    prepare: addedVolume,
    begin: (client) => client.volume.update('v', { reserveBytes: 4096 }),
  },
  'volume.remove': { prepare: addedVolume, begin: (client) => client.volume.remove('v') },
  'volume.release': { prepare: addedVolume, begin: (client) => client.volume.release('v') },
};

/** The owner file says what the host believes, and nothing half-made lies beside it. */
export async function volumesWhole(client: Client, data: string): Promise<void> {
  const volumes = (await client.volume.list({})).items;
  const local = volumes.find((volume) => volume.local);
  assert.equal(local?.state, 'held', 'the data directory belongs to its host');
  const root = place(data);
  if (!existsSync(root)) return;
  const names = readdirSync(root);
  const whole = names.filter((name) => name === ownerFileName || name === 'corral');
  assert.deepEqual(names, whole, 'no scratch folder, no half-written owner file');
  const file = names.includes(ownerFileName)
    ? OwnerFile.parse(JSON.parse(readFileSync(join(root, ownerFileName), 'utf8')))
    : null;
  const known = volumes.find(({ path }) => path === root);
  const owned = file?.owner?.id === local?.owner?.id;
  const ids = new Set((await client.vm.list({})).items.map(({ id }) => id));
  for (const folder of [join(data, 'corral/vms'), join(root, 'corral/vms')]) {
    const strangers = existsSync(folder) ? readdirSync(folder).filter((id) => !ids.has(id)) : [];
    assert.deepEqual(strangers, [], `no folder in ${folder} without its VM`);
  }
  assert.equal(known?.state === 'held', owned, 'the host knows the volumes that are its own, and no other');
}
