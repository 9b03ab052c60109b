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

/** BLAKE3-K(key, the parts one after the other), 32 bytes. */
export function keyedHash(key: Buffer, ...parts: readonly Uint8Array[]): Buffer {
  const hasher = blake().Blake3Hasher.newKeyed(key);
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
