/**
 * Gives each VM its control group: its processes are moved into a scope of systemd as soon as they run. They keep
 * their ids, their user and their descriptors, and a host on which that fails still runs its VMs, as one without systemd.
 */
import { readFile } from 'node:fs/promises';
import { delay, withLimit } from '@corral/core/abort';
import { isCorralError } from '@corral/core/errors';
import type { Logger } from '../logger.ts';
import { runCommand } from '../process/run-command.ts';
import { findSwtpm } from '../vm/vm-processes.ts';
import type { VmRecord } from '../vm/vm-record.ts';
import { isInScope, startScopeArguments } from './scope.ts';
import { type ControlGroupSupport, readControlGroupSupport } from './support.ts';

const placeLimitMs = 10_000;
const pollMs = 20;

export class VmScopes {
  readonly #log: Logger;
  readonly #support: () => Promise<ControlGroupSupport>;

  constructor(log: Logger, support: () => Promise<ControlGroupSupport> = readControlGroupSupport) {
    this.#log = log;
    this.#support = support;
  }

  support(): Promise<ControlGroupSupport> {
    return this.#support();
  }

  /** Repeatable. Never rejects: a VM that cannot be placed runs on in the daemon's group, and the log says why. */
  async place(record: VmRecord): Promise<void> {
    const { id, name } = record.settings;
    try {
      if (!record.process || !(await this.#support()).available) return;
      await withLimit(`Putting VM "${name}" into its control group`, placeLimitMs, undefined, (signal) =>
        this.#place(record.process!, id, signal),
      );
    } catch (cause) {
      this.#log.warn({ err: cause, vm: name }, 'it has no control group of its own');
    }
  }

  async #place(process: NonNullable<VmRecord['process']>, id: string, signal: AbortSignal): Promise<void> {
    const tpms = process.applied.tpm ? await findSwtpm(id) : [];
    const all = [process.pid, ...tpms.map(({ pid }) => pid)];
    for (;;) {
      const pids = await outside(all, id);
      if (pids.length === 0) return;
      if (await startScope({ vm: { ...process.applied, id }, pids }, signal)) break;
      await delay(pollMs, signal);
    }
    // systemd has accepted the job, and moves them when it comes to it.
    while ((await outside(all, id)).length > 0) await delay(pollMs, signal);
  }
}

/** False while the scope of the VM's last run is still there, of which systemd has not seen yet that it is empty. */
async function startScope(
  request: Parameters<typeof startScopeArguments>[0],
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await runCommand('busctl', startScopeArguments(request), { signal, limitMs: placeLimitMs });
    return true;
  } catch (cause) {
    if (!isCorralError(cause, 'host.command-failed')) throw cause;
    if (/already loaded/.test(cause.message)) return false;
    // They may have ended before systemd looked at them, and need no group then.
    if ((await outside(request.pids, request.vm.id)).length === 0) return true;
    throw cause;
  }
}

/** Those that run and are not in the VM's scope. */
async function outside(pids: readonly number[], vmId: string): Promise<number[]> {
  const groups = await Promise.all(
    pids.map(async (pid) => ({ pid, cgroup: await readCgroup('/proc', pid) })),
  );
  return groups.flatMap(({ pid, cgroup }) => (cgroup === null || isInScope(cgroup, vmId) ? [] : [pid]));
}

/** /proc/PID/cgroup; null when there is no such process. */
export async function readCgroup(proc: string, pid: number): Promise<string | null> {
  try {
    return await readFile(`${proc}/${pid}/cgroup`, 'utf8');
  } catch (cause) {
    if (['ENOENT', 'ESRCH'].includes((cause as NodeJS.ErrnoException).code ?? '')) return null;
    throw cause;
  }
}
