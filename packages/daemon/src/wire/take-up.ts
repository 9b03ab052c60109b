/** What an earlier daemon left running or half done is taken up, before anybody may ask for anything. */
import { thawLeftFrozen } from '@corral/host/guard/freeze-guard';
import { vmsWithOwnedQemu } from '@corral/host/vm/owns-qemu';
import type { VmHost } from '@corral/host/vm/vm-host';
import type { Logger } from 'pino';
import type { HostParts } from './host-parts.ts';
import { removeStraySecrets } from './repositories.ts';

export async function takeUp({ engine, host, repositories }: HostParts, log: Logger): Promise<void> {
  // First of all: a frozen guest waits for nobody else.
  await thawGuests(host, log);
  // VMs are found again before unfinished operations go on with them.
  const resumable = await engine.list({});
  const unfinished = resumable.items.filter(({ finishedAt }) => finishedAt === null);
  await host.userfaultfd.takeBack();
  await host.supervisor.adoptAll(vmsWithOwnedQemu(unfinished));
  await removeStraySecrets(repositories, unfinished);
  await engine.resumeAll();
  host.chains.start();
}

async function thawGuests(host: VmHost, log: Logger): Promise<void> {
  const vms = (await host.records.list()).map(({ settings: { id, name } }) => ({ id, name }));
  const thawed = await thawLeftFrozen(host, vms, (vm, cause) =>
    log.error({ err: cause, vm: vm.name }, 'a guest that was left frozen does not answer'),
  );
  for (const { name } of thawed) log.warn({ vm: name }, 'its guest was left frozen by an earlier daemon');
}
