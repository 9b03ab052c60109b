/** Adding, removing and listing keys; no data is touched (docs/formats/repository.md, "Keys"). */
import type { RepositoryContext } from './context.ts';
import { type Argon2Cost, type KeySecret, type KeySlot, wrapMaster } from './crypto/key-slot.ts';
import { repositoryErrors } from './errors.ts';
import { formatConfig } from './format/config.ts';
import { Fields } from './format/fields.ts';
import { formatTextObject, parseTextObject, textObjectLimit } from './format/text-object.ts';
import { listAll, type ObjectStore } from './object-store/object-store.ts';

const base64 = /^[A-Za-z0-9+/]{1,4096}={0,2}$/;
const cost = 2 ** 32;

export function keyName(id: string): string {
  return `keys/${id}`;
}

export interface KeyListing {
  readonly slots: readonly KeySlot[];
  readonly damaged: ReadonlyMap<string, Error>;
}

/** The keys, and what lies in their place but cannot be read: one damaged key closes no other. */
export async function listKeySlots(store: ObjectStore, signal?: AbortSignal): Promise<KeyListing> {
  const slots: KeySlot[] = [];
  const damaged = new Map<string, Error>();
  for (const { name } of await listAll(store, 'keys/', signal)) {
    try {
      const bytes = await store.read(name, { offset: 0, length: textObjectLimit + 1 }, signal);
      slots.push(parseSlot(name, bytes));
    } catch (cause) {
      const isDamaged =
        cause instanceof Error && 'code' in cause && cause.code === 'repository.object-damaged';
      if (!isDamaged) throw cause;
      damaged.set(name, cause);
    }
  }
  return { slots, damaged };
}

function parseSlot(name: string, bytes: Buffer): KeySlot {
  const fields = new Fields(name, parseTextObject(name, bytes));
  const kdf = fields.text('kdf', /^(argon2id|key-file)$/) as KeySlot['kdf'];
  const id = fields.id('id');
  if (keyName(id) !== name) {
    throw repositoryErrors['object-damaged']({ name, reason: 'it holds another key' });
  }
  const costs =
    kdf === 'argon2id'
      ? {
          memoryKiB: fields.count('memoryKiB', cost),
          iterations: fields.count('iterations', cost),
          lanes: fields.count('lanes', cost),
        }
      : {};
  const [salt, nonce, wrapped] = [
    fields.text('salt', base64),
    fields.text('nonce', base64),
    fields.text('wrapped', base64),
  ];
  return {
    id,
    name: fields.text('name'),
    createdAt: fields.text('createdAt'),
    kdf,
    ...costs,
    salt,
    nonce,
    wrapped,
  };
}

/** With an `id` of one's own it may be called again. @throws repository.weak-key, repository.not-encrypted */
export async function addKey(
  context: RepositoryContext,
  secret: KeySecret,
  name: string,
  argon2?: Argon2Cost,
  id?: string,
): Promise<KeySlot> {
  const { store, keys, config } = context;
  if (!keys.encrypted) throw repositoryErrors['not-encrypted']({ place: store.place });
  const slot = await wrapMaster(keys.master, secret, name, formatConfig(config), argon2, id);
  await store.put(keyName(slot.id), formatTextObject(slot));
  return slot;
}

/** @throws repository.last-key, repository.key-not-found, repository.append-only */
export async function removeKey(context: RepositoryContext, id: string): Promise<void> {
  await requireRemovable(context, id);
  await context.store.delete(keyName(id));
}

/** @throws repository.last-key, repository.key-not-found, repository.append-only */
export async function requireRemovable(context: RepositoryContext, id: string): Promise<void> {
  context.throwIfAppendOnly();
  const { slots } = await listKeySlots(context.store);
  if (!slots.some((slot) => slot.id === id)) throw repositoryErrors['key-not-found']({ key: id });
  if (slots.length === 1) throw repositoryErrors['last-key']({ key: id });
}
