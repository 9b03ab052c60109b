/** BLAKE3 in keyed mode: the repository's only hash of content. */
import { createRequire } from 'node:module';

/** Loaded at its first use: a daemon without a repository does without the 3 MiB of this addon. */
let addon: typeof import('@napi-rs/blake-hash') | undefined;
const require = createRequire(import.meta.url);

function blake(): typeof import('@napi-rs/blake-hash') {
  addon ??= require('@napi-rs/blake-hash') as typeof import('@napi-rs/blake-hash');
  return addon;
}

export const hashBytes = 32;

type Hasher = InstanceType<typeof import('@napi-rs/blake-hash').Blake3Hasher>;

/** To make one takes longer than to hash a block does, and leaves 2 KiB outside the heap. */
const hashers = new WeakMap<Buffer, Hasher>();

function hasherOf(key: Buffer): Hasher {
  const known = hashers.get(key);
  // It keeps its key.
  known?.reset();
  const hasher = known ?? blake().Blake3Hasher.newKeyed(key);
  if (!known) hashers.set(key, hasher);
  return hasher;
}

/** BLAKE3-K(key, the parts one after the other), 32 bytes. The content of `key` never changes. */
export function keyedHash(key: Buffer, ...parts: readonly Uint8Array[]): Buffer {
  const hasher = hasherOf(key);
  for (const part of parts) hasher.update(asBuffer(part));
  return hasher.digestBuffer();
}

/** Without a key, for what anybody may check: the text objects. */
export function plainHash(content: Uint8Array | string): Buffer {
  return blake().blake3(typeof content === 'string' ? content : asBuffer(content));
}

/** The addon takes Buffers only; this is a view, not a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
