/** Repositories and backups of tests. */
import { join } from 'node:path';
import type { Client } from '@corral/api/client.gen';
import { microImage } from './guests.ts';
import { succeeded } from './operations.ts';
import type { TestHost } from './test-host.ts';

/** A repository in a directory below `data`, with a passphrase. */
export async function connectedRepository(client: Client, data: string, name = 'vault'): Promise<void> {
  const place = { kind: 'directory', path: join(data, `repository-${name}`) } as const;
  await succeeded(
    client,
    client.repository.create({ name, place, secret: { passphrase: 'correct horse battery' } }),
  );
}

/** Backs a VM up. @returns the id of the newest backup */
export async function backedUp(client: Client, vm: string, repository = 'vault'): Promise<string> {
  await succeeded(client, client.backup.run(vm, { repository }));
  const { items } = await client.backup.list({ repository, vm });
  return items.at(-1)!.id;
}

/** A backup of a VM that is off and has these files as its disks, by name. */
export async function backupOfDisks(
  { client, data }: TestHost,
  disks: Readonly<Record<string, string>>,
): Promise<string> {
  await connectedRepository(client, data);
  await microImage(client);
  const wanted = Object.entries(disks).map(([name, from]) => ({ name, from }));
  await succeeded(client, client.vm.create({ name: 'a', image: 'micro', disks: wanted }));
  return await backedUp(client, 'a');
}
