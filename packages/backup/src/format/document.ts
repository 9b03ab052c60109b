/** Documents: JSON, sealed together with the object's name (docs/formats/repository.md, "Binary objects"). */
import type { RepositoryKeys } from '../crypto/keys.ts';
import { headerBytes, newSealer, openSealer } from '../crypto/sealer.ts';
import { repositoryErrors } from '../errors.ts';
import { parseJsonObject } from './text-object.ts';

const section = 1;
export const documentLimit = 64 * 2 ** 20;

/** The bytes of a document, opened again and compared before they are handed out. */
export function sealDocument(keys: RepositoryKeys, name: string, sessionId: Buffer, value: object): Buffer {
  const text = JSON.stringify(value);
  const sealer = newSealer(keys, 'D', sessionId);
  const bytes = Buffer.concat([sealer.header, sealer.seal(section, 0, Buffer.from(text), Buffer.from(name))]);
  if (JSON.stringify(openDocument(keys, name, bytes)) !== text)
    throw repositoryErrors['verify-failed']({ what: name });
  return bytes;
}

/** @throws repository.object-damaged */
export function openDocument(keys: RepositoryKeys, name: string, bytes: Buffer): Record<string, unknown> {
  if (bytes.length > documentLimit) {
    throw repositoryErrors['object-damaged']({ name, reason: 'it is too large' });
  }
  const sealer = openSealer(keys, 'D', bytes);
  const plain = sealer?.open(section, 0, bytes.subarray(headerBytes), Buffer.from(name));
  if (!plain) throw repositoryErrors['object-damaged']({ name, reason: 'its seal does not fit' });
  return parseJsonObject(name, plain.toString('utf8'));
}
