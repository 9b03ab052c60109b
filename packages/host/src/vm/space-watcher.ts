/** Lets a guest go on that was paused because its volume was full, as soon as there is space again. */
import { delay } from '@corral/core/abort';
import { followHostClock } from '../guest/guest-clock.ts';
import type { Logger } from '../logger.ts';
import { freeBytes } from '../storage/free-space.ts';
import { subject } from './vm-events.ts';
import type { VmHost } from './vm-host.ts';

/** Less would be used up at once, and the guest would stop again. */
const enoughBytes = 64 * 2 ** 20;
const lookEveryMs = 2_000;

export async function watchSpace(host: VmHost, log: Logger, signal: AbortSignal): Promise<void> {
  for (;;) {
    await delay(lookEveryMs, signal);
    for (const { id, disk } of host.supervisor.pausedForSpace()) {
      await resumeIfSpace(host, id, disk).catch((cause: unknown) => {
        log.warn({ err: cause, vm: id }, 'could not resume a VM whose volume was full');
      });
    }
  }
}

async function resumeIfSpace(host: VmHost, id: string, diskName: string): Promise<void> {
  const record = await host.records.get(id);
  const disk = record.settings.disks.find(({ name }) => name === diskName);
  if (!disk || !record.process) return;
  if ((await freeBytes(host.directory.resolveInVm(id, disk.path))) < enoughBytes) return;
  const qmp = await host.supervisor.attach(record);
  await qmp.execute('cont');
  await host.supervisor.refresh(id);
  await host.emit('vm.resumed', subject(record));
  followHostClock(host, record.settings);
}
