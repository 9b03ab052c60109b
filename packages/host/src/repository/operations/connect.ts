/**
 * repository.create, repository.connect and repository.remove. The credentials are written before the operation
 * begins, under the id of the connection, because an operation's input is on record.
 */
import { RepositoryPlace, RetentionRules } from '@corral/api/schemas/repository';
import { discardNewRepository, Repository, requireEmptyStore } from '@corral/backup/repository';
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import { keySecret } from '../connections.ts';
import { connectionTarget, type Named, type RepositoryHost, repositorySubject } from '../repository-host.ts';
import type { RepositoryRecord } from '../repository-record.ts';

const Target = z.strictObject({ id: z.string(), name: z.string() });

const ConnectInput = Target.extend({ place: RepositoryPlace, retention: RetentionRules });
type ConnectInput = z.infer<typeof ConnectInput>;
const CreateInput = ConnectInput.extend({ keyName: z.string() });
type CreateInput = z.infer<typeof CreateInput>;

/** What is found out of a repository. */
type Seen = Pick<RepositoryRecord, 'repositoryId' | 'encrypted' | 'policy'>;

export function repositoryCreate(host: RepositoryHost) {
  return defineOperation<CreateInput, { look: null; make: Seen; register: null }>({
    kind: 'repository.create',
    input: (json) => CreateInput.parse(json),
    target: ({ id, name }) => [`repository/${id}`, `repository-name/${name}`],
    title: ({ name }) => `Create repository ${name}`,
    cancellable: true,
    steps: [
      {
        // Changes nothing: a place that cannot be reached needs no undo there.
        name: 'look',
        run: async ({ input, signal }) => {
          const store = await host.connections.openStore(input);
          try {
            await requireEmptyStore(store, signal);
            return null;
          } finally {
            await store.close();
          }
        },
        undo: ({ input }) => host.connections.credentials.remove(input.id),
      },
      {
        name: 'make',
        run: async ({ input, signal }) => {
          const { secret } = await host.connections.credentials.read(input.id);
          const store = await host.connections.openStore(input);
          const options = { id: input.id, secret: keySecret(secret), keyName: input.keyName, signal };
          try {
            await using repository = await Repository.create(store, options);
            return seen(repository);
          } catch (cause) {
            await store.close();
            throw cause;
          }
        },
        undo: async ({ input, signal }) => {
          const store = await host.connections.openStore(input);
          try {
            await discardNewRepository(store, input.id, signal);
          } finally {
            await store.close();
          }
        },
      },
      register(host, 'repository.created', 'make'),
    ],
    output: ({ id }) => ({ repositoryId: id }),
  });
}

export function repositoryConnect(host: RepositoryHost) {
  return defineOperation<ConnectInput, { look: Seen; register: null }>({
    kind: 'repository.connect',
    input: (json) => ConnectInput.parse(json),
    target: ({ id, name }) => [`repository/${id}`, `repository-name/${name}`],
    title: ({ name }) => `Connect repository ${name}`,
    cancellable: true,
    steps: [
      {
        name: 'look',
        run: async ({ input, signal }) => {
          const { secret } = await host.connections.credentials.read(input.id);
          const store = await host.connections.openStore(input);
          try {
            await using repository = await Repository.open(store, { secret: keySecret(secret), signal });
            return seen(repository);
          } catch (cause) {
            await store.close();
            throw cause;
          }
        },
        undo: ({ input }) => host.connections.credentials.remove(input.id),
      },
      register(host, 'repository.connected', 'look'),
    ],
    output: ({ id }) => ({ repositoryId: id }),
  });
}

function seen(repository: Repository): Seen {
  const { policy } = repository.context.state;
  return { repositoryId: repository.id, encrypted: repository.isEncrypted, policy };
}

function register<Step extends string>(
  host: RepositoryHost,
  event: 'repository.created' | 'repository.connected',
  before: Step,
) {
  return {
    name: 'register' as const,
    pivot: true as const,
    run: async (context: { input: ConnectInput; result(name: Step): Seen }): Promise<null> => {
      const { id, name, place, retention } = context.input;
      const facts = context.result(before);
      const createdAt = new Date().toISOString();
      const where = place.kind === 'directory' ? place.path : place.url;
      await host.connections.records.create({ id, name, createdAt, place, retention, ...facts }, where);
      const data = { place: where, encrypted: facts.encrypted };
      await host.emit(event, repositorySubject({ id, name }), data);
      return null;
    },
    undo: ({ input }: { input: Named }): Promise<void> => host.connections.records.delete(input.id),
  };
}

export function repositoryRemove(host: RepositoryHost) {
  return defineOperation<Named, { unregister: null; 'forget-secrets': null }>({
    kind: 'repository.remove',
    input: (json) => Target.parse(json),
    target: ({ id }) => [connectionTarget(id).shared],
    title: ({ name }) => `Forget repository ${name}`,
    cancellable: false,
    afterCrash: 'resume',
    steps: [
      {
        name: 'unregister',
        pivot: true,
        run: async ({ input }) => {
          if (!(await host.connections.records.find(input.id))) return null;
          await host.connections.records.delete(input.id);
          host.connections.forget(input.id);
          await host.emit('repository.removed', repositorySubject(input));
          return null;
        },
      },
      {
        name: 'forget-secrets',
        run: async ({ input }) => {
          await host.connections.credentials.remove(input.id);
          return null;
        },
      },
    ],
  });
}
