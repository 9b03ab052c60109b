/**
 * The thread that writes the store file: a flush may take long on a disk that guests keep busy, and the daemon has
 * to answer meanwhile. Started by sqlite-store.ts; each request gets one answer, in order.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { type CorralError, isCorralError } from '@corral/core/errors';
import { SqliteJournal, type SqliteJournalOptions } from './sqlite-journal.ts';
import type { StateChange, StateSnapshot } from './store-state.ts';

export interface ThreadData extends SqliteJournalOptions {
  readonly file: string;
}

export type ThreadRequest =
  | { readonly type: 'open' }
  | { readonly type: 'write'; readonly changes: readonly StateChange[] }
  | { readonly type: 'close' };

/** Errors of the registry by code and parameters: classes do not cross threads. */
export type ThreadAnswer =
  | { readonly ok: true; readonly snapshot: StateSnapshot | null }
  | {
      readonly ok: false;
      readonly code: string | null;
      readonly params: CorralError['params'];
      readonly text: string;
    };

let journal: SqliteJournal | undefined;

function perform(request: ThreadRequest): StateSnapshot | null {
  switch (request.type) {
    case 'open': {
      const { file, ...options } = workerData as ThreadData;
      journal = new SqliteJournal(file, options);
      return journal.read();
    }
    case 'write':
      journal!.write(request.changes);
      return null;
    case 'close':
      journal?.close();
      return null;
  }
}

function answer(request: ThreadRequest): ThreadAnswer {
  try {
    return { ok: true, snapshot: perform(request) };
  } catch (e) {
    const cause = e instanceof Error ? (e.cause ?? e) : e;
    const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    if (isCorralError(e)) return { ok: false, code: e.code, params: e.params, text };
    return { ok: false, code: null, params: {}, text };
  }
}

parentPort?.on('message', (request: ThreadRequest) => {
  parentPort?.postMessage(answer(request));
  if (request.type === 'close') parentPort?.close();
});
