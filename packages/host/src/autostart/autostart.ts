/**
 * VMs start with the host: lowest order first, those of one order together, each order after the delays of the one
 * before. Once per boot of the host, not at each start of the daemon.
 */
import { delay } from '@corral/core/abort';
import type { Store } from '@corral/store/store';
import type { Logger } from '../logger.ts';
import { bootId } from '../process/process-identity.ts';
import { subject } from '../vm/vm-events.ts';
import type { VmHost } from '../vm/vm-host.ts';
import type { VmRecord } from '../vm/vm-record.ts';

export interface AutostartWave {
  readonly vms: readonly VmRecord[];
  /** After the wave was started. */
  readonly delayMs: number;
}

/** Pure. */
export function autostartWaves(records: readonly VmRecord[]): AutostartWave[] {
  const wanted = records.filter((record) => record.settings.autostart && !record.process);
  const orders = [...new Set(wanted.map((record) => record.settings.autostart!.order))].sort((a, b) => a - b);
  return orders.map((order) => {
    const vms = wanted.filter((record) => record.settings.autostart!.order === order);
    return { vms, delayMs: Math.max(...vms.map((record) => record.settings.autostart!.delayMs)) };
  });
}

const bootKey = 'host/autostarted-boot';

export interface AutostartOptions {
  readonly host: VmHost;
  readonly store: Store;
  readonly log: Logger;
  /** Starts one and waits until it runs. */
  readonly start: (record: VmRecord) => Promise<void>;
  readonly signal: AbortSignal;
}

/** One that fails is told by an event and holds up no other. */
export async function autostart(options: AutostartOptions): Promise<void> {
  const { host, store, signal } = options;
  const boot = await bootId();
  if ((await store.get(bootKey))?.value === boot) return;
  for (const wave of autostartWaves(await host.records.list())) {
    await Promise.all(wave.vms.map((record) => startOne(options, record)));
    await delay(wave.delayMs, signal);
  }
  await store.transact({ then: [{ put: bootKey, value: boot }] });
}

async function startOne({ host, log, start }: AutostartOptions, record: VmRecord): Promise<void> {
  try {
    await start(record);
  } catch (cause) {
    const reason = (cause as Error).message;
    log.error({ err: cause, vm: record.settings.name }, 'a VM did not start with the host');
    await host.emit('vm.autostart-failed', subject(record), { reason });
  }
}
