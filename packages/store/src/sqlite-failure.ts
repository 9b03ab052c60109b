/** What an error of SQLite means for the administrator. */
import type { CorralError } from '@corral/core/errors';
import { storeErrors } from './errors.ts';
import { describeLockHolder } from './lock-holder.ts';

/** Primary result codes, https://www.sqlite.org/rescode.html */
const code = {
  busy: 5,
  locked: 6,
  readonly: 8,
  ioerr: 10,
  corrupt: 11,
  full: 13,
  cantopen: 14,
  notadb: 26,
} as const;

function resultCode(cause: unknown): number | null {
  if (!(cause instanceof Error) || !('errcode' in cause) || typeof cause.errcode !== 'number') return null;
  return cause.errcode & 0xff;
}

/** The registry's error for an error of SQLite; anything else comes back as it is, being a defect. */
export function sqliteFailure(file: string, cause: unknown): unknown {
  const detail = cause instanceof Error ? cause.message : String(cause);
  switch (resultCode(cause)) {
    case code.busy:
    case code.locked:
      return storeErrors['in-use']({ file, holder: describeLockHolder(file) }, { cause });
    case code.corrupt:
    case code.notadb:
      return storeErrors.damaged({ file, detail }, { cause });
    case code.full:
      return storeErrors.full({ file }, { cause });
    case code.ioerr:
    case code.cantopen:
    case code.readonly:
      return storeErrors['input-output']({ file, detail }, { cause });
    default:
      return cause;
  }
}

/**
 * A commit that met an input/output error: SQLite rolled back, but what reached the log may come back when it is
 * read again after a crash. Every other failure left nothing.
 */
export function commitFailure(file: string, cause: unknown): unknown {
  const failure = sqliteFailure(file, cause);
  if (resultCode(cause) !== code.ioerr) return failure;
  return storeErrors['unknown-outcome']({ what: 'the change' }, { cause: failure as CorralError });
}
