/** What operations on repositories need before they can be begun, and what must hold of repositories afterwards. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@corral/api/client.gen';
import { check } from '@corral/backup/check/check';
import { isSound } from '@corral/backup/check/check-report';
import { DirectoryStore } from '@corral/backup/object-store/directory-store';
import { Repository } from '@corral/backup/repository';
import { deletePoint } from '@corral/backup/retention/point-locks';
import { keySecret } from '@corral/host/repository/connections';
import { CredentialFiles } from '@corral/host/repository/credentials';
import { backUp, inPlace, makeDisk } from '../repository/support/sample.ts';
import { succeeded } from '../support/operations.ts';
import type { Scenario } from './scenarios.ts';

/** Key files: a passphrase would cost a tenth of a second at each opening. */
const secretOf = (letter: string) => ({ keyFile: Buffer.alloc(32, letter).toString('base64') });
const place = (data: string, name: string) => ({
  kind: 'directory' as const,
  path: join(data, `place-${name}`),
});

async function emptyPlaces(_client: Client, data: string): Promise<void> {
  for (const name of ['vault', 'other']) await rm(place(data, name).path, { recursive: true, force: true });
}

const createVault = (client: Client, data: string) =>
  client.repository.create({ name: 'vault', place: place(data, 'vault'), secret: secretOf('k') });

async function created(client: Client, data: string): Promise<void> {
  await emptyPlaces(client, data);
  await succeeded(client, createVault(client, data));
}

/** Two backups, written by another host, so to say, and a third one deleted, for prune to have work. */
async function filled(client: Client, data: string): Promise<void> {
  await created(client, data);
  const options = { ...inPlace, secret: { keyFile: Buffer.alloc(32, 'k') } };
  await using repository = await Repository.open(new DirectoryStore(place(data, 'vault').path), options);
  const one = await backUp(repository, makeDisk(4, { 0: 'a', 2: 'b' }));
  const gone = await backUp(repository, makeDisk(4, { 1: 'gone' }));
  await backUp(repository, makeDisk(4, { 0: 'a', 2: 'c' }), { base: one });
  await deletePoint(repository.context, gone.id);
}

async function withOther(client: Client, data: string): Promise<void> {
  await filled(client, data);
  await succeeded(client, client.repository.create({ name: 'other', place: place(data, 'other') }));
}

async function withSecondKey(client: Client, data: string): Promise<void> {
  await created(client, data);
  await succeeded(client, client.repository.key.add('vault', { name: 'second', secret: secretOf('2') }));
}

export const repositoryScenarios: Readonly<Record<string, Scenario>> = {
  'repository.create': { prepare: emptyPlaces, begin: createVault },
  'repository.connect': {
    prepare: async (client, data) => {
      await filled(client, data);
      await succeeded(client, client.repository.remove('vault'));
    },
    begin: (client, data) =>
      client.repository.connect({ name: 'vault', place: place(data, 'vault'), secret: secretOf('k') }),
  },
  'repository.remove': { prepare: filled, begin: (client) => client.repository.remove('vault') },
  'repository.set': {
    prepare: filled,
    begin: (client) => client.repository.set('vault', { retention: { last: 5 }, lockDays: 1 }),
  },
  'repository.check': {
    prepare: filled,
    begin: (client) => client.repository.check('vault', { readData: true }),
  },
  'repository.prune': {
    prepare: async (client, data) => {
      await filled(client, data);
      await succeeded(client, client.repository.set('vault', { retention: { last: 1 } }));
    },
    begin: (client) => client.repository.prune('vault', {}),
  },
  'repository.repair': { prepare: filled, begin: (client) => client.repository.repair('vault') },
  'repository.copy': {
    prepare: withOther,
    begin: (client) => client.repository.copy('vault', { to: 'other' }),
  },
  'repository.key-add': {
    prepare: created,
    begin: (client) => client.repository.key.add('vault', { name: 'second', secret: secretOf('2') }),
  },
  'repository.key-remove': {
    prepare: withSecondKey,
    begin: async (client) => {
      const { items } = await client.repository.key.list('vault', {});
      return client.repository.key.remove('vault', items.find(({ current }) => !current)!.id);
    },
  },
  'repository.key-change': {
    prepare: filled,
    begin: (client) => client.repository.key.change('vault', { name: 'new', secret: secretOf('n') }),
  },
};

/** 'some': whoever has ended may seem to be at work again after a power cut, until the sign of life is old. */
export type SessionsLeft = 'none' | 'some';

/** Each connection has its secrets and no others lie about; what they open is sound, and nobody seems at work in it. */
export async function repositoriesWhole(client: Client, data: string, sessions: SessionsLeft): Promise<void> {
  const repositories = (await client.repository.list({})).items;
  const files = new CredentialFiles(data);
  const folders = readdirSync(data).includes('repositories') ? readdirSync(files.folder).sort() : [];
  assert.deepEqual(
    folders,
    repositories.map(({ id }) => id).sort(),
    'secrets of each connection, and no others',
  );
  for (const { id, name, place: where } of repositories) {
    assert.deepEqual(readdirSync(files.folderOf(id)), ['credentials.json'], 'no secret waits');
    assert.ok(where.kind === 'directory');
    const { secret } = await files.read(id);
    const options = { ...inPlace, secret: keySecret(secret) };
    await using repository = await Repository.open(new DirectoryStore(where.path), options);
    const report = await check(repository.context, { readData: true });
    assert.ok(isSound(report), `${name}: ${JSON.stringify(report)}`);
    if (sessions === 'some') continue;
    const folder = join(where.path, 'sessions');
    const left = readdirSync(where.path).includes('sessions') ? filesBelow(folder) : [];
    assert.deepEqual(left, [], `${name}: nobody is at work`);
    const record = readFileSync(join(data, 'corral.db')).toString('latin1');
    assert.ok(!secret || !record.includes(JSON.stringify(secret).slice(12, 40)), 'no secret is on record');
  }
}

function filesBelow(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}
