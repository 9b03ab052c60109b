/**
 * Ends test files that run too long. node:test's own limit fails a test but leaves its process running while anything
 * is open in it, so a hanging file would hang the run.
 */
import { readFileSync } from 'node:fs';

function children(): readonly number[] {
  const list = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8');
  return list.split(' ').filter(Boolean).map(Number);
}

/** Which of the files the process runs; undefined when it has ended or runs another. */
function fileOf(pid: number, files: readonly string[]): string | undefined {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return files.find((file) => words.includes(file));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}

/** Watches those of this process's children that run these files, until it is disposed of. */
export function watchOverdueFiles(
  files: readonly string[],
  limitMs: number,
  report: (file: string) => void,
): Disposable {
  const firstSeen = new Map<number, number>();
  const timer = setInterval(() => {
    const now = performance.now();
    const alive = new Set(children());
    for (const pid of firstSeen.keys()) if (!alive.has(pid)) firstSeen.delete(pid);
    for (const pid of alive) {
      const since = firstSeen.get(pid) ?? now;
      firstSeen.set(pid, since);
      const file = now - since > limitMs ? fileOf(pid, files) : undefined;
      if (file === undefined) continue;
      report(file);
      process.kill(pid, 'SIGKILL');
    }
  }, 1000);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
