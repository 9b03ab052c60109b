/**
 * A process that outlives the daemon is known by its id and its start time: ids are used again, the pair is not
 * within one boot (proc(5), /proc/pid/stat field 22, in clock ticks since boot).
 */
import { readdir, readFile } from 'node:fs/promises';
import { delay, withLimit } from '@corral/core/abort';

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot. */
  readonly startTime: number;
  /** /proc/sys/kernel/random/boot_id: after a reboot no recorded process is alive. */
  readonly bootId: string;
}

export async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

/** Null when there is no such process, or it has ended and waits for its parent. */
export async function identify(pid: number): Promise<ProcessIdentity | null> {
  const stat = await readStat(pid);
  if (!stat || (stat.state === 'Z' && !(await hasThreads(pid)))) return null;
  return { pid, startTime: stat.startTime, bootId: await bootId() };
}

/**
 * A process shows the state of its first thread. When that has ended others may still write, and what the process has open
 * or has locked is so until the last one has ended.
 */
async function hasThreads(pid: number): Promise<boolean> {
  const threads = await unlessGone(readdir(`/proc/${pid}/task`));
  return threads !== null && threads.length > 1;
}

export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  const now = await identify(identity.pid);
  return now !== null && now.startTime === identity.startTime && now.bootId === identity.bootId;
}

/** Sends the signal only to that very process. False when it has ended. */
export async function sendSignal(identity: ProcessIdentity, signal: NodeJS.Signals): Promise<boolean> {
  if (!(await isAlive(identity))) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw cause;
  }
}

const exitPollMs = 20;

/** The process need not be our child, so its end can only be looked for. @throws core.timeout */
export async function waitForExit(
  what: string,
  identity: ProcessIdentity,
  limitMs: number,
  signal?: AbortSignal,
): Promise<void> {
  await withLimit(what, limitMs, signal, async (limited) => {
    while (await isAlive(identity)) await delay(exitPollMs, limited);
  });
}

/** Ends the process for certain, whatever it is doing, and waits until it is gone. */
export async function killProcess(what: string, identity: ProcessIdentity): Promise<void> {
  await sendSignal(identity, 'SIGKILL');
  await waitForExit(`Ending ${what}`, identity, 30_000);
}

async function readStat(pid: number): Promise<{ state: string; startTime: number } | null> {
  const text = await unlessGone(readFile(`/proc/${pid}/stat`, 'utf8'));
  if (text === null) return null;
  // The name in parentheses may hold spaces and parentheses itself: count from the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0]!, startTime: Number(fields[19]) };
}

/** Null when the process has ended. */
async function unlessGone<T>(reading: Promise<T>): Promise<T | null> {
  try {
    return await reading;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH') return null;
    throw cause;
  }
}
