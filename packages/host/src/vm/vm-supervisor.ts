/**
 * Watches the QEMU processes of this host: one connection to each monitor, one status for each VM.
 *
 * After a restart nothing is believed from memory (docs/design/0002-adoption.md).
 *
 *   attach ─ monitor connected ─▶ status from query-status, kept up to date by events
 *              │ guest shut down (status 'shutdown')  → QEMU is told to quit
 *              └ connection ends                      → process gone → 'off' (expected) or event vm.qemu-died
 */
import { delay } from '@corral/core/abort';
import { isCorralError } from '@corral/core/errors';
import type { EventSubject } from '@corral/core/events';
import type { VmState } from '@corral/core/vm-actions';
import { QmpClient, type QmpConnectOptions } from '@corral/qmp/qmp-client';
import type { QmpEvent, QmpEventNamed } from '@corral/qmp/qmp-events';
import { lookAtTops } from '../chain/resting-tops.ts';
import type { DataDirectory } from '../data-directory.ts';
import { vmErrors } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { isAlive, killProcess, waitForExit } from '../process/process-identity.ts';
import { GuestResets } from './guest-resets.ts';
import { findIoError, type IoError, ioErrorOfEvent } from './io-error.ts';
import { QemuAdoption } from './qemu-adoption.ts';
import { lastWords } from './qemu-log.ts';
import { type EmitEvent, subject } from './vm-events.ts';
import { killVmProcesses } from './vm-processes.ts';
import type { VmRecord, VmRecords } from './vm-record.ts';
import { statusOfQemu, type VmStatus } from './vm-status.ts';

type Activity = Extract<VmState, 'starting' | 'saving' | 'stopping'>;

/** What is known of one QEMU. */
interface Watched {
  readonly id: string;
  readonly qmp: QmpClient;
  readonly resets: GuestResets;
  name: string;
  status: VmStatus;
  ioError: IoError | null;
  /** Somebody is ending this process on purpose. */
  endExpected: boolean;
}

export interface SupervisorOptions {
  readonly directory: DataDirectory;
  readonly records: VmRecords;
  readonly emit: EmitEvent;
  readonly log: Logger;
  /** A monitor was connected: the VM's other channels can be, too. */
  readonly onAttached: (id: string) => void;
  /** A daemon before this one started it. */
  readonly onAdopted: (record: VmRecord) => Promise<void>;
  /** The process is gone: lets go of the VM's other channels. Repeatable. */
  readonly onGone: (id: string) => Promise<void>;
  /** Nothing runs of the VM any more, and its record says so. */
  readonly onEnded: (id: string) => void;
  /** Takes away what the host made for a VM's run: TAP devices, sockets. Repeatable. */
  readonly cleanUpRun: (record: VmRecord) => Promise<void>;
}

/** Within this QEMU answers `quit`; after it the process is killed. */
const quitLimitMs = 10_000;
const attachLimitMs = 30_000;
/** A stop of milliseconds, as for a checkpoint, is over before anybody could read of it; questions would make it longer. */
const stopSettlesMs = 100;

export class VmSupervisor {
  readonly #options: SupervisorOptions;
  readonly #watched = new Map<string, Watched>();
  readonly #activities = new Map<string, Activity>();
  readonly #waiters = new Set<() => void>();
  readonly #background = new Set<Promise<unknown>>();
  readonly #adoption: QemuAdoption;
  readonly #letGo = new AbortController();

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#adoption = new QemuAdoption({
      ...options,
      signal: this.#letGo.signal,
      attach: (record, limits) => this.#attach(record, limits),
      end: (id) => this.endQemu(id),
      reportGone: (id, seen) => this.#reportGone(id, seen),
      inBackground: (work) => this.#inBackground(work),
    });
  }

  /**
   * Takes up every VM that ran when the daemon ended.
   *
   * @param owned ids of VMs whose QEMU an unfinished operation starts or ends: that it is gone is no news
   */
  async adoptAll(owned: ReadonlySet<string>): Promise<void> {
    const records = await this.#options.records.list();
    await Promise.all(records.map((record) => this.#adoption.adopt(record, owned.has(record.settings.id))));
  }

  /** Connects to the monitor of a QEMU that runs. Repeatable. @throws vm.qemu-gone when it has died */
  async attach(record: VmRecord, signal?: AbortSignal): Promise<QmpClient> {
    try {
      return await this.#attach(record, { limitMs: attachLimitMs, signal });
    } catch (cause) {
      if (!record.process || (await isAlive(record.process))) throw cause;
      throw vmErrors['qemu-gone']({ vm: record.settings.name }, { cause });
    }
  }

  async #attach(record: VmRecord, options: QmpConnectOptions): Promise<QmpClient> {
    const { id, name } = record.settings;
    const known = this.#watched.get(id);
    if (known) return known.qmp;
    const { directory } = this.#options;
    const qmp = await QmpClient.connect(directory.socketAddress(directory.vm(id).qmpSocket), {
      peer: `the monitor of VM "${name}"`,
      ...options,
    });
    const status: VmStatus = { state: 'starting', reason: null };
    const resets = new GuestResets();
    const watched: Watched = { id, qmp, resets, name, status, ioError: null, endExpected: false };
    this.#watched.set(id, watched);
    qmp.subscribe((event) => this.#onEvent(watched, event));
    this.#inBackground(qmp.closed.then(() => this.#onClosed(watched)));
    this.#options.onAttached(id);
    try {
      await this.#refresh(watched);
    } catch (cause) {
      // It greeted and hangs: as if it had not greeted. One that ends meanwhile is seen by its connection's end.
      if (isCorralError(cause, 'core.timeout')) {
        this.#watched.delete(id);
        await qmp.close();
      }
      throw cause;
    }
    return qmp;
  }

  /**
   * Connects to a QEMU that was just started, as soon as it listens.
   *
   * @throws vm.qemu-gone when it ends instead
   */
  async attachStarting(record: VmRecord, signal: AbortSignal): Promise<QmpClient> {
    const { name } = record.settings;
    const gone = (cause?: unknown): Error => vmErrors['qemu-gone']({ vm: name }, { cause });
    if (!record.process) throw gone();
    const ended = new AbortController();
    const attached = new AbortController();
    const watching = waitForExit(`QEMU of VM "${name}"`, record.process, attachLimitMs, attached.signal).then(
      () => ended.abort(gone()),
      // It has not ended within the limit, which is that of the connection too, or nobody waits for it any more.
      () => undefined,
    );
    try {
      return await this.#attach(record, {
        starting: true,
        limitMs: attachLimitMs,
        signal: AbortSignal.any([signal, ended.signal]),
      });
    } catch (cause) {
      // The socket closes a moment before the process has ended.
      if (isCorralError(cause, 'qmp.connection-lost')) {
        await watching;
        if (ended.signal.aborted) throw gone(cause);
      }
      throw cause;
    } finally {
      attached.abort();
      await watching;
    }
  }

  /** @throws vm.qemu-gone */
  monitor(record: VmRecord): QmpClient {
    const watched = this.#watched.get(record.settings.id);
    if (!watched) throw vmErrors['qemu-gone']({ vm: record.settings.name });
    return watched.qmp;
  }

  /** Asks QEMU for its state now: whoever has just changed it need not wait for the event. */
  async refresh(id: string): Promise<void> {
    const watched = this.#watched.get(id);
    if (watched) await this.#refresh(watched);
  }

  isAttached(id: string): boolean {
    return this.#watched.has(id);
  }

  status(record: VmRecord): VmStatus {
    const { id } = record.settings;
    const activity = this.#activities.get(id);
    if (activity) return { state: activity, reason: null };
    const watched = this.#watched.get(id);
    if (watched) return watched.status;
    if (!record.process) return { state: record.saved ? 'saved' : 'off', reason: null };
    const silence = this.#adoption.silence(id);
    if (silence !== undefined) return { state: 'unresponsive', reason: silence };
    return { state: 'stopping', reason: null };
  }

  /** VMs that QEMU paused because a volume is full, each with the disk. */
  pausedForSpace(): { readonly id: string; readonly disk: string }[] {
    return [...this.#watched.values()].flatMap(({ id, ioError, status }) =>
      ioError?.full && status.state === 'paused' ? [{ id, disk: ioError.disk }] : [],
    );
  }

  /** While the returned handle is held the VM is shown as starting, saving or stopping. */
  activity(id: string, activity: Activity): Disposable {
    this.#activities.set(id, activity);
    this.#changed();
    return {
      [Symbol.dispose]: () => {
        this.#activities.delete(id);
        this.#changed();
      },
    };
  }

  /** Waits until QEMU of this VM is gone and its record says so. Rejects with the signal's reason. */
  async waitUntilGone(id: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const onAbort = (): void => reject(signal.reason);
      this.#waiters.add(resolve);
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        if (!this.#watched.has(id) && !(await this.#options.records.get(id)).process) return;
        await promise;
      } finally {
        this.#waiters.delete(resolve);
        signal.removeEventListener('abort', onAbort);
      }
    }
  }

  /**
   * Ends QEMU on purpose: asks it to quit, which flushes the disks, and kills it if it does not. Repeatable; also
   * finds a process that a daemon started just before it died.
   */
  async endQemu(id: string): Promise<void> {
    const record = await this.#options.records.get(id);
    const watched = this.#watched.get(id);
    if (watched) watched.endExpected = true;
    if (record.process && watched) await this.#quit(watched, record);
    await killVmProcesses(this.#options.directory, id, record.process);
    this.#watched.delete(id);
    await this.#options.onGone(id);
    await this.#options.cleanUpRun(record);
    // Of one that had none what is known stays: an edit from outside is found by it.
    const left = record.process ? { resting: await lookAtTops(this.#options.directory, record) } : {};
    await this.#options.records.update(id, (current) => ({ ...current, ...left, process: null }));
    this.#changed();
    this.#options.onEnded(id);
  }

  /** Lets go of every VM; they run on. */
  async close(): Promise<void> {
    this.#letGo.abort(new Error('The daemon lets go of its VMs.'));
    const watched = [...this.#watched.values()];
    await Promise.all(watched.map(({ qmp }) => qmp.close()));
    await Promise.all(this.#background);
  }

  async #quit(watched: Watched, record: VmRecord): Promise<void> {
    try {
      await watched.qmp.execute('quit', {}, { limitMs: quitLimitMs });
    } catch (cause) {
      // It may close the connection before it answers; one that hangs is killed below.
      const expected = ['qmp.connection-lost', 'qmp.closed', 'core.timeout'];
      if (!expected.some((code) => isCorralError(cause, code))) throw cause;
    }
    try {
      await waitForExit('QEMU', record.process!, quitLimitMs);
    } catch (cause) {
      if (!isCorralError(cause, 'core.timeout')) throw cause;
      await killProcess(`QEMU of VM "${watched.name}"`, record.process!);
    }
  }

  async #refresh(watched: Watched): Promise<void> {
    let { status } = await watched.qmp.execute('query-status');
    if (status === 'io-error' && !watched.ioError) {
      const found = await findIoError(watched.qmp);
      if (found) this.#noteIoError(watched, found);
      // It may have gone on while its devices were asked.
      ({ status } = await watched.qmp.execute('query-status'));
    }
    watched.status = statusOfQemu(status, watched.ioError?.reason ?? null);
    this.#changed();
    if (status === 'shutdown') this.#inBackground(this.#finishShutdown(watched));
  }

  #onEvent(watched: Watched, event: QmpEvent): void {
    switch (event.name) {
      case 'BLOCK_IO_ERROR':
        if (event.data.action === 'stop' && !watched.ioError) {
          this.#inBackground(this.#onIoError(watched, event.data));
        }
        break;
      case 'GUEST_PANICKED':
        this.#inBackground(this.#options.emit('vm.guest-panicked', subjectOf(watched)));
        break;
      case 'RESET':
        if (!watched.resets.isOne(event.data.guest, performance.now())) break;
        this.#inBackground(this.#options.emit('vm.guest-reset', subjectOf(watched)));
        break;
      case 'RESUME':
        // Not by the status 'running', which QEMU also has between the error's event and the stop that follows it.
        watched.ioError = null;
        break;
      case 'STOP':
        this.#inBackground(delay(stopSettlesMs).then(() => this.#refresh(watched)));
        return;
      case 'SHUTDOWN':
      case 'SUSPEND':
      case 'WAKEUP':
        break;
      default:
        return;
    }
    this.#inBackground(this.#refresh(watched));
  }

  /** The guest has shut itself down and QEMU waits: let it end. */
  async #finishShutdown(watched: Watched): Promise<void> {
    if (watched.endExpected) return;
    watched.endExpected = true;
    const record = await this.#options.records.get(watched.id);
    await this.#options.emit('vm.guest-shutdown', subject(record));
    await this.endQemu(watched.id);
  }

  async #onClosed(watched: Watched): Promise<void> {
    if (this.#letGo.signal.aborted || this.#watched.get(watched.id) !== watched || watched.endExpected)
      return;
    this.#watched.delete(watched.id);
    this.#changed();
    // An operation that is starting it sees and tells this itself.
    if (this.#activities.get(watched.id) === 'starting') return;
    const record = await this.#options.records.find(watched.id);
    if (!record?.process) return;
    // The socket closes a moment before the process has ended.
    await waitForExit(`QEMU of VM "${watched.name}"`, record.process, attachLimitMs);
    await this.#reportGone(watched.id, true);
  }

  async #reportGone(id: string, seen: boolean): Promise<void> {
    const { directory, emit, records, log } = this.#options;
    const [words, record] = [await lastWords(directory.vm(id).log), await records.get(id)];
    log.error({ vm: record.settings.name, lastWords: words }, 'QEMU died');
    await emit('vm.qemu-died', subject(record), { lastWords: words, whileDaemonWasAway: !seen });
    await this.endQemu(id);
  }

  async #onIoError(watched: Watched, data: QmpEventNamed<'BLOCK_IO_ERROR'>['data']): Promise<void> {
    const record = await this.#options.records.get(watched.id);
    this.#noteIoError(watched, ioErrorOfEvent(data, record.process?.applied ?? record.settings));
    await this.#refresh(watched);
  }

  /** One stop is told once, though QEMU may report every request that failed. */
  #noteIoError(watched: Watched, ioError: IoError): void {
    if (watched.ioError) return;
    watched.ioError = ioError;
    this.#inBackground(this.#tellIoError(watched, ioError));
  }

  async #tellIoError(watched: Watched, ioError: IoError): Promise<void> {
    const { emit, records, directory } = this.#options;
    if (!ioError.full) {
      await emit('vm.paused-io-error', subjectOf(watched), { reason: ioError.reason });
      return;
    }
    const { settings } = await records.get(watched.id);
    const disk = settings.disks.find(({ name }) => name === ioError.disk);
    const path = disk ? directory.resolveInVm(watched.id, disk.path) : directory.vm(watched.id).folder;
    await emit('vm.paused-no-space', subjectOf(watched), { disk: ioError.disk, path });
  }

  #changed(): void {
    for (const wake of [...this.#waiters]) wake();
  }

  /** Work that an event of QEMU started: nobody waits for it but `close`, so its failure is logged here. */
  #inBackground(work: Promise<unknown>): void {
    const settled = work.catch((cause: unknown) => {
      const lost = ['qmp.connection-lost', 'qmp.closed'].some((code) => isCorralError(cause, code));
      if (!lost && cause !== this.#letGo.signal.reason)
        this.#options.log.error({ err: cause }, 'watching a VM failed');
    });
    this.#background.add(settled);
    void settled.finally(() => this.#background.delete(settled));
  }
}

function subjectOf({ id, name }: Watched): EventSubject {
  return { kind: 'vm', id, name };
}
