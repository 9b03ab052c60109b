/** Who holds a POSIX lock on a file, for the message that refuses a second daemon. */
import { readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';

/** Of a command line, in a message. */
const longestCommand = 200;

/** "process 1234 (node .../main.ts --data DIR)", or "another process" where /proc does not tell. */
export function describeLockHolder(file: string): string {
  try {
    const path = realpathSync(file);
    const pid = lockingPids(statSync(path, { bigint: true }).ino).find((candidate) =>
      hasOpen(candidate, path),
    );
    if (pid === undefined) return 'another process';
    if (pid === process.pid) return 'this same process';
    return `process ${pid} (${commandOf(pid)})`;
  } catch {
    // Without /proc, or when the holder ended meanwhile, the refusal stands and only its detail is missing.
    return 'another process';
  }
}

/** The whole command line: the name alone is that of a thread, the same for every program on Node. */
function commandOf(pid: number): string {
  const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  // The program stands at the start, its data directory at the end, between them what Node itself was told.
  const half = longestCommand / 2;
  return command.length > longestCommand ? `${command.slice(0, half)} ... ${command.slice(-half)}` : command;
}

/** proc_locks(5): "1: POSIX  ADVISORY  WRITE 1234 fd:01:5678 0 EOF". */
function lockingPids(inode: bigint): number[] {
  return readFileSync('/proc/locks', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[5]?.split(':')[2] === String(inode))
    .map((fields) => Number(fields[4]));
}

/** The inode alone is not enough: /proc/locks shows other device numbers than stat on some file systems. */
function hasOpen(pid: number, path: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === path);
  } catch {
    // The process ended, or its descriptors are not ours to see: it is not the one we can name.
    return false;
  }
}
