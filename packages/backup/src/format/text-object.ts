/** Text objects: a line of JSON and its checksum (docs/formats/repository.md, "Text objects"). */
import { plainHash } from '../crypto/blake3.ts';
import { repositoryErrors } from '../errors.ts';

export const textObjectLimit = 65_536;

export function formatTextObject(value: object): Buffer {
  const line = JSON.stringify(value);
  return Buffer.from(`${line}\n${plainHash(line).toString('hex')}\n`);
}

/** @throws repository.object-damaged */
export function parseTextObject(name: string, content: Buffer): Record<string, unknown> {
  if (content.length > textObjectLimit) throw damaged(name, 'it is too large');
  const text = content.toString('utf8');
  const end = text.indexOf('\n');
  const line = text.slice(0, end);
  // Compared as bytes: decoding replaces invalid UTF-8, which must not pass for the original.
  const expected = Buffer.from(`${line}\n${plainHash(line).toString('hex')}\n`);
  if (end < 0 || !expected.equals(content)) throw damaged(name, 'its checksum does not fit');
  return parseJsonObject(name, line);
}

/** @throws repository.object-damaged */
export function parseJsonObject(name: string, text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch (cause) {
    throw repositoryErrors['object-damaged']({ name, reason: 'it is no JSON' }, { cause });
  }
  throw damaged(name, 'it is no JSON object');
}

function damaged(name: string, reason: string): Error {
  return repositoryErrors['object-damaged']({ name, reason });
}
