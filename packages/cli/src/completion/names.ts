/** Names from the daemon for completion. Whatever goes wrong, the prompt is not disturbed: there are no names then. */
import type { Client } from '@corral/api/client.gen';
import type { Context } from '../context.ts';
import type { Candidate } from './candidates.ts';

/** Longer than this nobody waits for the Tab key. */
const limitMs = 500;
/** More would not be read. */
const limit = 200;

type Lookup = (client: Client, positionals: readonly string[]) => Promise<readonly Candidate[]>;

const call = { limitMs };

const lookups: Readonly<Record<string, Lookup>> = {
  vm: async (client) =>
    (await client.vm.list({ limit }, call)).items.map(({ name, state }) => ({
      value: name,
      description: state,
    })),
  image: async (client) =>
    (await client.image.list({ limit }, call)).items.map(({ name, kind }) => ({
      value: name,
      description: kind,
    })),
  volume: async (client) =>
    (await client.volume.list({ limit }, call)).items.map(({ name, path }) => ({
      value: name,
      description: path,
    })),
  repository: async (client) =>
    (await client.repository.list({ limit }, call)).items.map(({ name, place }) => ({
      value: name,
      description: place.kind,
    })),
  key: async (client, [repository = '']) =>
    (await client.repository.key.list(repository, { limit }, call)).items.map(({ id, name }) => ({
      value: id,
      description: name,
    })),
  backup: async (client) =>
    (await client.backup.list({ limit }, call)).items.map(({ id, name, vm }) => ({
      value: id,
      description: `${vm.name} ${name}`,
    })),
  plan: async (client) =>
    (await client.plan.list({ limit }, call)).items.map(({ name, repository }) => ({
      value: name,
      description: repository.name,
    })),
  reference: async (client, [vm = '']) =>
    (await client.reference.list(vm, { limit }, call)).items.map(({ name, createdAt }) => ({
      value: name,
      description: createdAt,
    })),
  token: async (client) =>
    (await client.token.list({ limit }, call)).items.map(({ name, role }) => ({
      value: name,
      description: role,
    })),
  operation: async (client) =>
    (await client.operation.list({ limit: 20 }, call)).items.map(({ id, name, state }) => ({
      value: id,
      description: `${name} (${state})`,
    })),
  checkpoint: async (client, [vm = '']) =>
    (await client.checkpoint.list(vm, { limit }, call)).items.map(({ name, consistency }) => ({
      value: name,
      description: consistency,
    })),
  disk: async (client, [vm = '']) =>
    (await client.vm.disk.list(vm, { limit }, call)).items.map(({ name, format }) => ({
      value: name,
      description: format,
    })),
  port: async (client, [vm = '']) =>
    (await client.vm.port.list(vm, { limit }, call)).items.map(({ name, network }) => ({
      value: name,
      description: network,
    })),
};

/** @param kind name of the argument: `vm` */
export async function namesOf(
  kind: string,
  positionals: readonly string[],
  context: Context,
): Promise<readonly Candidate[]> {
  const lookup = lookups[kind];
  if (!lookup) return [];
  try {
    return await lookup(await context.client(), positionals);
  } catch {
    // No daemon, no right, too slow, a VM that does not exist: all of them mean that there is nothing to offer.
    return [];
  }
}
