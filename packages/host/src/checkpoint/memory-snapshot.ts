/**
 * The memory of a guest at the instant at which its disks are forked (docs/design/0008-checkpoints.md, "A running guest").
 *
 *   stop ─ fork ─ migrate ─ QEMU tracks writes ─ the guest runs on ─ memory is in the file
 *
 * QEMU's `background-snapshot` needs userfaultfd; without it the guest stays stopped until the memory is written.
 */
import { EventEmitter } from 'node:events';
import { isCorralError } from '@corral/core/errors';
import type { QmpClient } from '@corral/qmp/qmp-client';
import { type MemoryFile, saveMemory, setBackground } from '../vm/memory-stream.ts';

export interface SnapshotOptions {
  readonly path: string;
  readonly socketPath: string;
  readonly qemuSocketPath: string;
  /** What the guest is afterwards. */
  readonly running: boolean;
  /** Sends QEMU, at once, the command that forks the disks: after the guest is stopped, before its memory is taken. */
  readonly fork: () => Promise<void>;
  /** What the daemon itself has to do at that instant, if anything. */
  readonly atInstant: (() => Promise<void>) | null;
  /** Lets QEMU open a userfaultfd until the handle is disposed. */
  readonly lendUserfaultfd: () => Promise<AsyncDisposable>;
  readonly signal: AbortSignal;
  readonly progress: (doneBytes: number) => void;
}

export interface MemorySnapshot extends MemoryFile {
  /** How long the guest stood still, in ms. */
  readonly pauseMs: number;
  /** Why it had to stand still while its memory was written; null if it had not. */
  readonly stoppedBecause: string | null;
}

/** Something of the memory has come. */
type MemoryArrivals = EventEmitter<{ arrived: [] }>;

/** QEMU sends a few hundred bytes before the first page. */
const headerBytes = 4096;
/** For a QEMU that says nothing for longer. */
const askAgainMs = 20;

/** On failure the guest may be stopped: `resumeGuest` brings it back. */
export async function snapshotMemory(qmp: QmpClient, options: SnapshotOptions): Promise<MemorySnapshot> {
  await using userfaultfd = await options.lendUserfaultfd();
  const stoppedBecause = await whyNotInBackground(qmp);
  using pause = watchPause(qmp);
  let pauseMs = 0;
  // What is told wakes others, who take the processor from QEMU while the guest waits for it.
  let tells = stoppedBecause !== null;
  const memory: MemoryArrivals = new EventEmitter();
  using stays = options.running ? null : keepPaused(qmp);
  const resume = async (): Promise<void> => {
    await resumeGuest(qmp, options.running);
    pauseMs = pause.endedAfterMs();
    tells = true;
  };
  const file = await saveMemory(qmp, options.path, {
    socketPath: options.socketPath,
    qemuSocketPath: options.qemuSocketPath,
    signal: options.signal,
    progress: (doneBytes) => {
      if (doneBytes > headerBytes) memory.emit('arrived');
      if (tells) options.progress(doneBytes);
    },
    background: stoppedBecause === null,
    begin: (migrate) => {
      pause.begins();
      return beginAtInstant(qmp, options, migrate);
    },
    onBegun: async () => {
      if (stoppedBecause !== null) return;
      await tracksWrites(qmp, memory, options.signal);
      await resume();
      await userfaultfd[Symbol.asyncDispose]();
    },
  });
  if (stoppedBecause !== null) await resume();
  else await setBackground(qmp, false);
  await stays?.settled();
  return { ...file, pauseMs, stoppedBecause };
}

/** From the command that stops the guest to QEMU's word that it runs; until now, if that did not come. */
function watchPause(qmp: QmpClient): Disposable & { begins(): void; endedAfterMs(): number } {
  let stoppedAt = 0;
  let resumedAt: number | null = null;
  const subscription = qmp.subscribe(({ name }) => {
    if (name === 'RESUME') resumedAt ??= performance.now();
  });
  return {
    begins: () => {
      stoppedAt = performance.now();
    },
    endedAfterMs: () => (resumedAt ?? performance.now()) - stoppedAt,
    [Symbol.dispose]: () => subscription[Symbol.dispose](),
  };
}

/**
 * The commands go out together: QEMU carries them out one after the other, and the guest does not stand still while a daemon
 * that waits for a processor reads one answer and sends the next command. A fork that fails does not keep QEMU from
 * beginning; that memory is thrown away like any that could not be saved.
 */
async function beginAtInstant(
  qmp: QmpClient,
  { fork, atInstant }: SnapshotOptions,
  migrate: () => Promise<unknown>,
): Promise<void> {
  const forked = Promise.all([qmp.execute('stop'), fork()]);
  if (!atInstant) return void (await Promise.all([forked, migrate()]));
  await forked;
  await atInstant();
  await migrate();
}

/**
 * QEMU 7.2 starts the guest when it tracks writes, also one that was paused (from 8.2 on it stays as it was): it is
 * stopped again at once.
 */
function keepPaused(qmp: QmpClient): Disposable & { settled(): Promise<void> } {
  const stops: Promise<unknown>[] = [];
  const subscription = qmp.subscribe(({ name }) => {
    if (name === 'RESUME') stops.push(Promise.allSettled([qmp.execute('stop')]));
  });
  return {
    settled: async () => {
      await Promise.all(stops);
      await resumeGuest(qmp, false);
    },
    [Symbol.dispose]: () => subscription[Symbol.dispose](),
  };
}

async function whyNotInBackground(qmp: QmpClient): Promise<string | null> {
  try {
    await setBackground(qmp, true);
    return null;
  } catch (cause) {
    if (!isCorralError(cause, 'qmp.command-failed')) throw cause;
    return `QEMU cannot use userfaultfd ("sysctl vm.unprivileged_userfaultfd=1" lets it): ${cause.message}`;
  }
}

/**
 * From here on QEMU saves a page before the guest changes it. It says 'active' before that, and `cont` would then make
 * the memory younger than the disks; pages are sent only after it. What arrives is the sign to ask: asking at once, and all the
 * time, would take from QEMU the processor that the guest waits for.
 */
async function tracksWrites(qmp: QmpClient, memory: MemoryArrivals, signal: AbortSignal): Promise<void> {
  const arrivals = (sign: () => void): Disposable => {
    memory.on('arrived', sign);
    return { [Symbol.dispose]: () => memory.off('arrived', sign) };
  };
  let listens = false;
  await qmp.waitFor(
    'Taking the memory',
    async (limited) => {
      if (!listens) {
        listens = true;
        return undefined;
      }
      const {
        ram,
        status,
        'error-desc': reason,
      } = await qmp.execute('query-migrate', {}, { signal: limited });
      if (status === 'failed' || status === 'cancelled') {
        throw new Error(`QEMU's migration ended as "${status}"${reason ? `: ${reason}` : ''}`);
      }
      return status === 'completed' || (ram && ram.normal + ram.duplicate > 0) ? true : undefined;
    },
    { signal, limitMs: 60_000, events: ['RESUME'], signs: arrivals, everyMs: askAgainMs },
  );
}

/**
 * Brings the guest back to what it was before it was stopped, also after a failure. Repeatable.
 */
export async function resumeGuest(qmp: QmpClient, running: boolean): Promise<void> {
  const { status } = await qmp.execute('query-status');
  if (running) {
    if (status !== 'running') await qmp.execute('cont');
    return;
  }
  // Out of 'postmigrate' no other way leads: the disks are active again only after `cont`.
  if (status === 'postmigrate' || status === 'finish-migrate') await qmp.execute('cont');
  if (status !== 'paused') await qmp.execute('stop');
}

/** Ends a migration that a failure or a daemon that died has left. Repeatable. */
export async function endMigration(qmp: QmpClient): Promise<void> {
  await qmp.waitFor(
    'Ending the migration',
    async () => {
      const { status } = await qmp.execute('query-migrate');
      const under = status === 'active' || status === 'setup';
      if (under) await qmp.execute('migrate_cancel');
      return under || status === 'cancelling' ? undefined : true;
    },
    { limitMs: 60_000, events: ['MIGRATION'], everyMs: 20 },
  );
  await setBackground(qmp, false);
}
