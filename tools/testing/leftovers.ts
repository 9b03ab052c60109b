/**
 * Processes that a test left behind. Every process of a run inherits CORRAL_TEST_RUN in its environment, so that
 * exactly those can be found and ended, whoever their parent is by then.
 */
import { readdirSync, readFileSync } from 'node:fs';

export interface Leftover {
  readonly pid: number;
  readonly command: string;
}

/** A process may end between being listed and being read, and another user's may be closed to us. */
function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EPERM') return undefined;
    throw error;
  }
}

/** @param runId the value of CORRAL_TEST_RUN */
export function findLeftovers(runId: string): readonly Leftover[] {
  const found: Leftover[] = [];
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const environment = readOrUndefined(`/proc/${pid}/environ`)?.split('\0');
    if (!environment?.includes(`CORRAL_TEST_RUN=${runId}`)) continue;
    const command = readOrUndefined(`/proc/${pid}/cmdline`)?.replaceAll('\0', ' ').trim();
    if (command) found.push({ pid, command });
  }
  return found;
}

export function endLeftovers(leftovers: readonly Leftover[]): void {
  for (const { pid } of leftovers) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      // It ended by itself meanwhile.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}
