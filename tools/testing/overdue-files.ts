/**
 * Ends test files that run too long. node:test's own limit fails a test but leaves its process running while anything
 * is open in it, so a hanging file would hang the run.
 */
import { readFileSync } from 'node:fs';

function children(): readonly number[] {
  const list = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8');
  return list.split(' ').filter(Boolean).map(Number);
}

/** Watches this process's children, the test files, until it is disposed of. */
export function watchOverdueFiles(limitMs: number, report: (pid: number) => void): Disposable {
  const firstSeen = new Map<number, number>();
  const timer = setInterval(() => {
    const now = performance.now();
    const alive = new Set(children());
    for (const pid of firstSeen.keys()) if (!alive.has(pid)) firstSeen.delete(pid);
    for (const pid of alive) {
      const since = firstSeen.get(pid) ?? now;
      firstSeen.set(pid, since);
      if (now - since <= limitMs) continue;
      report(pid);
      process.kill(pid, 'SIGKILL');
    }
  }, 1000);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
