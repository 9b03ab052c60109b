/** Files of the machine that `corral` runs on: what is named on the command line to be read or written here. */
import { resolve } from 'node:path';
import { cliErrors } from './errors.ts';
import type { Io } from './io.ts';

/** The system's own words, without the call and the path that Node puts around them: "permission denied". */
export function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const errno = 'errno' in cause && typeof cause.errno === 'number' ? cause.errno : undefined;
  if (errno === undefined) return cause.message;
  return process.getBuiltinModule('node:util').getSystemErrorMap().get(errno)?.[1] ?? cause.message;
}

/** All bytes of a file. @throws cli.file, also when it is larger than `maxBytes` */
export async function readBinaryFile(io: Io, path: string, maxBytes: number): Promise<Buffer> {
  const { createReadStream } = await import('node:fs');
  return await readStream(createReadStream(resolve(io.currentDirectory, path)), path, maxBytes);
}

/** The whole text of a file, or of standard input for `-`. @throws cli.file, also when it is larger than `maxBytes` */
export async function readTextFile(io: Io, path: string, maxBytes: number): Promise<string> {
  if (path === '-') return (await readStream(io.stdin, 'standard input', maxBytes)).toString('utf8');
  const { createReadStream } = await import('node:fs');
  const stream = createReadStream(resolve(io.currentDirectory, path));
  return (await readStream(stream, path, maxBytes)).toString('utf8');
}

/** All of a stream. @throws cli.file when it fails or has more than `maxBytes` */
export async function readStream(
  stream: AsyncIterable<Uint8Array>,
  name: string,
  maxBytes: number,
): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const piece of stream) {
      length += piece.length;
      if (length > maxBytes) break;
      pieces.push(piece);
    }
  } catch (cause) {
    throw cliErrors.file({ path: name, action: 'read', reason: reasonOf(cause) }, { cause });
  }
  if (length <= maxBytes) return Buffer.concat(pieces);
  throw cliErrors.file({ path: name, action: 'read', reason: `it has more than ${maxBytes} bytes` });
}
