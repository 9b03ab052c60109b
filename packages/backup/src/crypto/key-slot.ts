/**
 * Key objects: the master key, wrapped by a passphrase or a key file (docs/formats/repository.md, "Keys").
 * Several may be there; adding and removing one touches no data.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { newId } from '@corral/core/ids';
import { repositoryErrors } from '../errors.ts';
import { hkdf } from './keys.ts';

/** What opens a repository: a passphrase, or the bytes of a key file. */
export type KeySecret = { readonly passphrase: string } | { readonly keyFile: Uint8Array };

export interface KeySlot {
  readonly id: string;
  readonly name: string;
  readonly createdAt: string;
  readonly kdf: 'argon2id' | 'key-file';
  readonly memoryKiB?: number;
  readonly iterations?: number;
  readonly lanes?: number;
  readonly salt: string;
  readonly nonce: string;
  readonly wrapped: string;
}

export interface Argon2Cost {
  readonly memoryKiB: number;
  readonly iterations: number;
  readonly lanes: number;
}

/** RFC 9106 section 4, second recommended option. */
export const defaultCost: Argon2Cost = { memoryKiB: 65_536, iterations: 3, lanes: 4 };
const maxCost: Argon2Cost = { memoryKiB: 1_048_576, iterations: 16, lanes: 16 };
/** The library's `Algorithm.Argon2id`, a const enum that type stripping cannot read. */
const argon2id = 2;
const minPassphrase = 8;
const minKeyFileBytes = 32;
const masterBytes = 32;

/** @throws repository.weak-key */
export async function wrapMaster(
  master: Buffer,
  secret: KeySecret,
  name: string,
  configBytes: Buffer,
  cost: Argon2Cost = defaultCost,
  id = newId(),
): Promise<KeySlot> {
  checkSecret(secret);
  const salt = randomBytes(32);
  const nonce = randomBytes(12);
  const kdf = 'passphrase' in secret ? 'argon2id' : 'key-file';
  const identity = { id, name, createdAt: new Date().toISOString(), kdf } as const;
  const wrapping = await wrappingKey(secret, salt, cost);
  const cipher = createCipheriv('aes-256-gcm', wrapping, nonce);
  cipher.setAAD(associated(configBytes, identity.id));
  const wrapped = Buffer.concat([cipher.update(master), cipher.final(), cipher.getAuthTag()]);
  return {
    ...identity,
    ...(kdf === 'argon2id' ? cost : {}),
    salt: salt.toString('base64'),
    nonce: nonce.toString('base64'),
    wrapped: wrapped.toString('base64'),
  };
}

/** The master key, or null if the secret does not fit this slot (or the config is not the one it was made for). */
export async function unwrapMaster(
  slot: KeySlot,
  secret: KeySecret,
  configBytes: Buffer,
): Promise<Buffer | null> {
  if ((slot.kdf === 'argon2id') !== 'passphrase' in secret) return null;
  const wrapped = Buffer.from(slot.wrapped, 'base64');
  const nonce = Buffer.from(slot.nonce, 'base64');
  if (wrapped.length !== masterBytes + 16 || nonce.length !== 12 || !costIsSane(slot)) return null;
  const wrapping = await wrappingKey(secret, Buffer.from(slot.salt, 'base64'), slot);
  const decipher = createDecipheriv('aes-256-gcm', wrapping, nonce, { authTagLength: 16 });
  decipher.setAAD(associated(configBytes, slot.id));
  decipher.setAuthTag(wrapped.subarray(masterBytes));
  const master = decipher.update(wrapped.subarray(0, masterBytes));
  try {
    decipher.final();
    return master;
  } catch {
    // The one error of final() is a tag that does not fit: another key's slot.
    return null;
  }
}

function associated(configBytes: Buffer, id: string): Buffer {
  return Buffer.concat([configBytes, Buffer.from(id, 'latin1')]);
}

async function wrappingKey(secret: KeySecret, salt: Buffer, cost: Partial<Argon2Cost>): Promise<Buffer> {
  if (!('passphrase' in secret)) return hkdf(secret.keyFile, salt, 'corral/key-file');
  // Loaded when it is needed: a daemon without a repository does without the 3 MiB of this addon.
  const { hashRaw } = await import('@node-rs/argon2');
  return await hashRaw(secret.passphrase.normalize('NFC'), {
    algorithm: argon2id,
    salt,
    memoryCost: cost.memoryKiB ?? defaultCost.memoryKiB,
    timeCost: cost.iterations ?? defaultCost.iterations,
    parallelism: cost.lanes ?? defaultCost.lanes,
    outputLen: 32,
  });
}

/** A hostile slot must not make the reader take all memory or count for years. */
function costIsSane(slot: KeySlot): boolean {
  if (slot.kdf === 'key-file') return true;
  return (Object.keys(maxCost) as (keyof Argon2Cost)[]).every((key) => {
    const value = slot[key];
    return Number.isSafeInteger(value) && value! >= 1 && value! <= maxCost[key];
  });
}

/** @throws repository.weak-key */
export function checkSecret(secret: KeySecret): void {
  if ('passphrase' in secret && secret.passphrase.length < minPassphrase) {
    throw repositoryErrors['weak-key']({ reason: `a passphrase has at least ${minPassphrase} characters` });
  }
  if ('keyFile' in secret && secret.keyFile.length < minKeyFileBytes) {
    throw repositoryErrors['weak-key']({ reason: `a key file has at least ${minKeyFileBytes} bytes` });
  }
}
