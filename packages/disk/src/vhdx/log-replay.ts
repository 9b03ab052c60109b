/** Reading a log that was left behind, and replaying it into memory or into the file ([MS-VHDX] 2.3.3). */
import { Buffer } from 'node:buffer';
import type { SignalOptions } from '../disk.ts';
import { diskErrors } from '../errors.ts';
import type { BlockFile } from '../file.ts';
import { newGuid, zeroGuid } from './guid.ts';
import type { VhdxHeader } from './header.ts';
import type { HeaderPair } from './header-pair.ts';
import { MiB, maxReplayBytes } from './limits.ts';
import { type ActiveSequence, findActiveSequence } from './log-scan.ts';

/**
 * The sequence that must be replayed, undefined for a clean file.
 *
 * @throws disk.corrupt when the header names a log that holds no complete sequence; disk.truncated;
 *   disk.unsupported-feature for a log that is too long to be read at once
 */
export async function readLog(
  file: BlockFile,
  header: VhdxHeader,
  options: SignalOptions,
): Promise<ActiveSequence | undefined> {
  if (header.logGuid === zeroGuid) return undefined;
  const { path } = file;
  const { logLength, logOffset } = header;
  if (logLength > maxReplayBytes) {
    throw diskErrors['unsupported-feature']({
      path,
      feature: `a log of ${logLength / MiB} MiB that must be replayed`,
      fix: 'Attach the disk once on the system that wrote it, so that the log is replayed there.',
    });
  }
  if (logOffset + logLength > file.length) throw cut(file, 'log', logOffset, logLength);
  const log = Buffer.alloc(logLength);
  await file.readExact(log, logOffset, 'log', options);
  const sequence = findActiveSequence(log, { guid: header.logGuid, offset: logOffset });
  if (!sequence)
    throw diskErrors.corrupt({ path, what: 'its log should be replayed, but holds no complete entry' });
  if (file.length < sequence.flushedFileOffset) throw cut(file, 'content', 0, sequence.flushedFileOffset);
  return sequence;
}

function cut(file: BlockFile, what: string, fileOffset: number, length: number): Error {
  return diskErrors.truncated({ path: file.path, what, fileOffset, length, fileBytes: file.length });
}

/** Writes the updates to their places and marks the log empty. Can be repeated after a crash at any point. */
export async function replayIntoFile(
  file: BlockFile,
  headers: HeaderPair,
  sequence: ActiveSequence,
  options: SignalOptions,
): Promise<void> {
  await headers.update({ fileWriteGuid: newGuid() });
  for (const update of sequence.entries.flatMap((entry) => entry.updates)) {
    if (update.kind === 'data') {
      await file.writeAll(update.bytes, update.fileOffset, options);
    } else {
      await file.punch(update.fileOffset, update.length, options);
      const end = update.fileOffset + update.length;
      if (file.length < end) await file.truncate(end);
    }
  }
  if (file.length < sequence.lastFileOffset) await file.truncate(sequence.lastFileOffset);
  await file.sync();
  await headers.update({ logGuid: zeroGuid });
}
