/**
 * repository.key-add, repository.key-remove and repository.key-change. The new secret waits in a file of its own until
 * it is a key; an operation's input is on record and holds its id alone.
 */
import { repositoryErrors } from '@corral/backup/errors';
import { addKey, listKeySlots, removeKey, requireRemovable } from '@corral/backup/key-management';
import type { Repository } from '@corral/backup/repository';
import { isCorralError } from '@corral/core/errors';
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import { keySecret } from '../connections.ts';
import { connectionErrors } from '../errors.ts';
import { connectionTarget, type Named, type RepositoryHost, repositorySubject } from '../repository-host.ts';

const Target = z.strictObject({ id: z.string(), name: z.string() });
const AddInput = Target.extend({ key: Target });
type AddInput = z.infer<typeof AddInput>;
const RemoveInput = Target.extend({ key: z.string() });

const keysTarget = (id: string): string => `repository-keys/${id}`;

export function repositoryKeyAdd(host: RepositoryHost) {
  return defineOperation<AddInput, { look: null; 'put-key': null; settle: null }>({
    kind: 'repository.key-add',
    input: (json) => AddInput.parse(json),
    target: ({ id }) => [connectionTarget(id), keysTarget(id)],
    title: ({ name, key }) => `Add key ${key.name} to repository ${name}`,
    cancellable: true,
    steps: [
      {
        name: 'look',
        run: async ({ input, signal }) => {
          await using repository = await host.connections.open(input.id, signal);
          requireEncrypted(repository);
          return null;
        },
        undo: ({ input }) => host.connections.credentials.removePending(input.id, input.key.id),
      },
      putKey(host),
      {
        name: 'settle',
        pivot: true,
        run: async ({ input }) => {
          await host.connections.credentials.removePending(input.id, input.key.id);
          await host.emit('repository.key-added', repositorySubject(input), { key: input.key.name });
          return null;
        },
      },
    ],
    output: ({ key }) => ({ keyId: key.id }),
  });
}

/** @throws repository.not-encrypted */
function requireEncrypted(repository: Repository): void {
  if (!repository.isEncrypted) throw repositoryErrors['not-encrypted']({ place: repository.place });
}

/** Puts the pending secret's key; what came before has looked whether the repository can be reached. */
function putKey(host: RepositoryHost) {
  return {
    name: 'put-key' as const,
    run: async ({ input, signal }: { input: AddInput; signal: AbortSignal }): Promise<null> => {
      await using repository = await host.connections.open(input.id, signal);
      const secret = await host.connections.credentials.readPending(input.id, input.key.id);
      await addKey(repository.context, keySecret(secret), input.key.name, undefined, input.key.id);
      return null;
    },
    undo: async ({ input, signal }: { input: AddInput; signal: AbortSignal }): Promise<void> => {
      await removeKeyIfThere(host, input, input.key.id, signal);
    },
  };
}

export function repositoryKeyRemove(host: RepositoryHost) {
  return defineOperation<z.infer<typeof RemoveInput>, { check: null; 'remove-key': null }>({
    kind: 'repository.key-remove',
    input: (json) => RemoveInput.parse(json),
    target: ({ id }) => [connectionTarget(id), keysTarget(id)],
    title: ({ name }) => `Remove a key of repository ${name}`,
    cancellable: false,
    afterCrash: 'resume',
    steps: [
      {
        // What is refused is refused before the step from which there is no way back.
        name: 'check',
        run: async ({ input: { id, key, name }, signal }) => {
          await using repository = await host.connections.open(id, signal);
          if (repository.opened.keyId === key)
            throw connectionErrors['key-in-use']({ key, repository: name });
          await requireRemovable(repository.context, key);
          return null;
        },
      },
      {
        name: 'remove-key',
        pivot: true,
        run: async ({ input, signal }) => {
          await removeKeyIfThere(host, input, input.key, signal);
          await host.emit('repository.key-removed', repositorySubject(input), { key: input.key });
          return null;
        },
      },
    ],
  });
}

interface ChangeResults {
  readonly 'note-old-key': string | null;
  readonly 'put-key': null;
  readonly 'use-key': null;
  readonly 'remove-old-key': null;
}

/** There is always a key that opens the repository: the new one is there and used before the old one goes. */
export function repositoryKeyChange(host: RepositoryHost) {
  return defineOperation<AddInput, ChangeResults>({
    kind: 'repository.key-change',
    input: (json) => AddInput.parse(json),
    target: ({ id }) => [connectionTarget(id), keysTarget(id)],
    title: ({ name }) => `Change the key of repository ${name}`,
    cancellable: true,
    steps: [
      {
        name: 'note-old-key',
        run: async ({ input, signal }) => {
          await using repository = await host.connections.open(input.id, signal);
          requireEncrypted(repository);
          repository.context.throwIfAppendOnly();
          return repository.opened.keyId;
        },
        undo: ({ input }) => host.connections.credentials.removePending(input.id, input.key.id),
      },
      putKey(host),
      {
        name: 'use-key',
        pivot: true,
        run: async ({ input: { id, key } }) => {
          const { credentials } = host.connections;
          const before = await credentials.read(id);
          const secret = await credentials.readPending(id, key.id).catch((cause: unknown) => {
            // A second try after the switch: the secret is in its place already.
            if (!isCorralError(cause, 'repository.credentials-damaged')) throw cause;
            return before.secret;
          });
          await credentials.write(id, { ...before, secret });
          await credentials.removePending(id, key.id);
          host.connections.forget(id);
          return null;
        },
      },
      {
        name: 'remove-old-key',
        run: async (context) => {
          const old = context.result('note-old-key');
          const { input, signal } = context;
          if (old !== null && old !== input.key.id) await removeKeyIfThere(host, input, old, signal);
          await host.emit('repository.key-changed', repositorySubject(input), { key: input.key.name });
          return null;
        },
      },
    ],
    output: ({ key }) => ({ keyId: key.id }),
  });
}

async function removeKeyIfThere(
  host: RepositoryHost,
  { id }: Named,
  key: string,
  signal: AbortSignal,
): Promise<void> {
  await using repository = await host.connections.open(id, signal);
  const { slots } = await listKeySlots(repository.context.store, signal);
  if (slots.some((slot) => slot.id === key)) await removeKey(repository.context, key);
}
