/** Writes a file of this machine so that it is there whole or as it was before. */
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { cliErrors } from './errors.ts';
import { reasonOf } from './files.ts';
import type { Io } from './io.ts';

/**
 * @returns how many bytes it has
 * @throws cli.file when it cannot be written; what `source` fails with
 */
export async function replaceFile(io: Io, path: string, source: AsyncIterable<Uint8Array>): Promise<number> {
  const target = resolve(io.currentDirectory, path);
  const part = join(dirname(target), `.${basename(target)}.${process.pid}.part`);
  let sizeBytes = 0;
  let sourceFailure: { readonly cause: unknown } | undefined;
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of source) {
        sizeBytes += piece.length;
        yield piece;
      }
    } catch (cause) {
      sourceFailure = { cause };
      throw cause;
    }
  };
  try {
    await pipeline(counted, createWriteStream(part, { flags: 'wx' }), { signal: io.signal });
    await rename(part, target);
    return sizeBytes;
  } catch (cause) {
    await rm(part, { force: true });
    if (sourceFailure) throw sourceFailure.cause;
    io.signal.throwIfAborted();
    throw cliErrors.file({ path, action: 'write', reason: reasonOf(cause) }, { cause });
  }
}
