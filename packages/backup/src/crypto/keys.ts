/** Keys derived from the master key (docs/formats/repository.md, "Keys"). */
import { hkdfSync } from 'node:crypto';
import { plainHash } from './blake3.ts';

export interface RepositoryKeys {
  readonly repositoryId: Buffer;
  readonly encrypted: boolean;
  readonly master: Buffer;
  readonly block: Buffer;
  readonly node: Buffer;
  readonly name: Buffer;
}

/** `master` null: the repository is not encrypted, and its master key is known to all. */
export function deriveKeys(repositoryId: Buffer, master: Buffer | null): RepositoryKeys {
  const secret =
    master ?? plainHash(Buffer.concat([Buffer.from('corral repository without encryption'), repositoryId]));
  const derive = (info: string): Buffer => hkdf(secret, repositoryId, info);
  return {
    repositoryId,
    encrypted: master !== null,
    master: secret,
    block: derive('corral/block'),
    node: derive('corral/node'),
    name: derive('corral/name'),
  };
}

/** Each object has a key of its own, so places within it serve as nonces. */
export function objectKey(keys: RepositoryKeys, kind: string, salt: Buffer): Buffer {
  return hkdf(keys.master, salt, `corral/object/${kind}`);
}

export function hkdf(secret: Uint8Array, salt: Uint8Array, info: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, salt, info, 32));
}

/** A UUID as its 16 bytes. */
export function uuidBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

export function uuidText(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
