/**
 * A merge that has begun, beside the child: `.NAME.merge.json`. A merge changes the parent, and with it the identity
 * that the child's link is checked against; while the record is there, it vouches for the link instead.
 */
import { readFile, realpath, rename, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { syncFolder } from './sync.ts';

interface MergeRecord {
  readonly version: 1;
  readonly child: string;
  /** Without symbolic links. */
  readonly parent: string;
}

export function mergeRecordPath(child: string): string {
  return join(dirname(child), `.${basename(child)}.merge.json`);
}

/** Whether a merge of exactly this child into exactly this parent has begun and not ended. */
export async function pendingMergeOf(child: string, parent: string): Promise<boolean> {
  let text: string;
  try {
    text = await readFile(mergeRecordPath(child), 'utf8');
  } catch (cause) {
    // The usual case: no merge was interrupted.
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return false;
    throw cause;
  }
  const record = parseRecord(text);
  return record?.child === basename(child) && record.parent === (await realpath(parent));
}

/** A record that cannot be read vouches for nothing: it was cut short before the merge began. */
function parseRecord(text: string): MergeRecord | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch (cause) {
    if (cause instanceof SyntaxError) return undefined;
    throw cause;
  }
}

function isRecord(value: unknown): value is MergeRecord {
  const record = value as MergeRecord | null;
  return record?.version === 1 && typeof record.child === 'string' && typeof record.parent === 'string';
}

/** On stable storage when it resolves. Both paths without symbolic links. */
export async function recordMerge(child: string, parent: string): Promise<void> {
  const path = mergeRecordPath(child);
  const record: MergeRecord = { version: 1, child: basename(child), parent };
  await writeFile(`${path}.new`, `${JSON.stringify(record)}\n`, { flush: true });
  await rename(`${path}.new`, path);
  await syncFolder(dirname(path));
}

/** The merge is done, or never began. */
export async function forgetMerge(child: string): Promise<void> {
  await unlink(mergeRecordPath(child));
  await syncFolder(dirname(child));
}
