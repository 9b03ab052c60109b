/**
 * The memory of a guest at the instant at which its disks are forked (docs/design/0008-checkpoints.md, "A running guest").
 *
 *   stop ─ fork ─ migrate ─ QEMU tracks writes ─ the guest runs on ─ memory is in the file
 *
 * QEMU's `background-snapshot` needs userfaultfd; without it the guest stays stopped until the memory is written.
 */
import { isCorralError } from '@corral/core/errors';
import type { QmpClient } from '@corral/qmp/qmp-client';
import { type MemoryFile, saveMemory, setBackground } from '../vm/memory-stream.ts';

export interface SnapshotOptions {
  readonly path: string;
  readonly socketPath: string;
  readonly qemuSocketPath: string;
  /** What the guest is afterwards. */
  readonly running: boolean;
  /** What has to happen while the guest is stopped, before its memory is taken: the disks are forked. */
  readonly atInstant: () => Promise<void>;
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

/** On failure the guest may be stopped: `resumeGuest` brings it back. */
export async function snapshotMemory(qmp: QmpClient, options: SnapshotOptions): Promise<MemorySnapshot> {
  await using userfaultfd = await options.lendUserfaultfd();
  const stoppedBecause = await whyNotInBackground(qmp);
  let stoppedAt = 0;
  let pauseMs = 0;
  let resumedAt: number | null = null;
  using _resumed = qmp.subscribe(({ name }) => {
    if (name === 'RESUME') resumedAt ??= performance.now();
  });
  using stays = options.running ? null : keepPaused(qmp);
  const resume = async (): Promise<void> => {
    await resumeGuest(qmp, options.running);
    pauseMs = (resumedAt ?? performance.now()) - stoppedAt;
  };
  const file = await saveMemory(qmp, options.path, {
    socketPath: options.socketPath,
    qemuSocketPath: options.qemuSocketPath,
    signal: options.signal,
    progress: options.progress,
    background: stoppedBecause === null,
    beforeBegin: async () => {
      stoppedAt = performance.now();
      await qmp.execute('stop');
      await options.atInstant();
    },
    onBegun: async () => {
      if (stoppedBecause !== null) return;
      await tracksWrites(qmp, options.signal);
      await resume();
      await userfaultfd[Symbol.asyncDispose]();
    },
  });
  if (stoppedBecause !== null) await resume();
  else await setBackground(qmp, false);
  await stays?.settled();
  return { ...file, pauseMs, stoppedBecause };
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
 * the memory younger than the disks; pages are sent only after it.
 */
async function tracksWrites(qmp: QmpClient, signal: AbortSignal): Promise<void> {
  await qmp.waitFor(
    'Taking the memory',
    async (limited) => {
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
    { signal, limitMs: 60_000, events: ['RESUME'], everyMs: 1 },
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
