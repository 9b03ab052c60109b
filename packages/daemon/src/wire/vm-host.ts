/** What the operations on VMs work with, and those operations. */
import { derivedId } from '@corral/core/ids';
import { ChainKeeper } from '@corral/host/chain/chain-keeper';
import { ChainRecords } from '@corral/host/chain/chain-records';
import { vmMerge } from '@corral/host/chain/merge-operation';
import { rewriteCheckpointFiles } from '@corral/host/checkpoint/checkpoint-files';
import { UserfaultfdLender } from '@corral/host/checkpoint/lend-userfaultfd';
import type { SerialConsoles } from '@corral/host/console/screens';
import { VmScopes } from '@corral/host/control-group/vm-scopes';
import type { DataDirectory } from '@corral/host/data-directory';
import { AgentChannels } from '@corral/host/guest/agent-channels';
import type { Logger } from '@corral/host/logger';
import type { RepositoryConnections } from '@corral/host/repository/connections';
import { PointServers } from '@corral/host/restore/point-servers';
import { saveChanges } from '@corral/host/tracking/save-changes';
import { cleanUpRun, type LaunchHost } from '@corral/host/vm/launch';
import type { EmitEvent } from '@corral/host/vm/vm-events';
import { rewriteSettingsFile, type VmHost } from '@corral/host/vm/vm-host';
import { vmOperations } from '@corral/host/vm/vm-operations';
import { VmRecords } from '@corral/host/vm/vm-record';
import { VmSupervisor } from '@corral/host/vm/vm-supervisor';
import { directoryDriver } from '@corral/host/volume/directory-driver';
import { VolumeRecords } from '@corral/host/volume/volume-record';
import { Volumes } from '@corral/host/volume/volumes';
import { lookAtVolumes } from '@corral/host/volume/watch-volumes';
import type { OperationEngine } from '@corral/operation/operation-engine';
import type { Store } from '@corral/store/store';

export interface VmHostOptions {
  readonly store: Store;
  readonly directory: DataDirectory;
  readonly consoles: SerialConsoles;
  readonly connections: RepositoryConnections;
  readonly emit: EmitEvent;
  readonly log: Logger;
  /** This host, as owner files of volumes name it. */
  readonly identity: { readonly id: string; readonly name: string };
  readonly launchHost: () => Promise<LaunchHost>;
  /** Of a merge below a running guest; 0: no limit. */
  readonly mergeBytesPerSecond: number;
  /** It is opened when all operations are known. */
  readonly engine: () => OperationEngine;
}

/** Above what Debian and systemd give out (systemd's UIDS-GIDS.md: 1,879,048,192 and up are unused). */
const firstVmUid = 1_900_000_000;

export async function assembleVmHost(options: VmHostOptions) {
  const { directory, emit, engine, log, store } = options;
  const records = new VmRecords(store);
  const chainRecords = new ChainRecords(store);
  const firstUid = process.getuid?.() === 0 ? firstVmUid : null;
  const { id, name } = options.identity;
  const volumes = new Volumes({
    records: new VolumeRecords(store),
    directory,
    driver: directoryDriver,
    self: { id, name },
    separateUsers: firstUid !== null,
  });
  await volumes.prepareLocal();
  await lookAtVolumes(volumes, emit, log);
  const chains = new ChainKeeper({
    directory,
    records: chainRecords,
    vms: records,
    startMerge: async (request, whenBusy) =>
      void (await engine().start(merge, request, { requestedBy: 'corral', whenBusy })),
    log,
  });
  const host: VmHost = {
    directory,
    records,
    chainRecords,
    chains,
    pointServers: new PointServers(directory, options.connections),
    userfaultfd: new UserfaultfdLender(),
    volumes,
    ...superviseVms(options, records, chains),
    emit,
    log,
    firstUid,
    launchHost: options.launchHost,
    queueStart: async (vm, operationId, requestedBy) => {
      const id = derivedId(`start of ${operationId}`);
      return (await engine().start(vms.start, vm, { requestedBy, id, whenBusy: 'queue' })).id;
    },
  };
  const vms = vmOperations(host);
  const merge = vmMerge(host, {
    liveBytesPerSecond: options.mergeBytesPerSecond,
    saveChanges: (request, signal) => saveChanges(host, request.vmId, request.diskId, request, signal),
    rewriteFiles: async (vmId) => {
      await rewriteSettingsFile(host, vmId);
      await rewriteCheckpointFiles(host, vmId);
    },
  });
  return { host, vms, merge };
}

/** The supervisor, and what comes and goes with the processes that it watches. */
function superviseVms(
  { consoles, directory, emit, log }: VmHostOptions,
  records: VmRecords,
  chains: ChainKeeper,
): Pick<VmHost, 'agents' | 'scopes' | 'supervisor'> {
  const agents = new AgentChannels(directory);
  const scopes = new VmScopes(log);
  const supervisor = new VmSupervisor({
    directory,
    records,
    emit,
    log,
    onAttached: (id) => consoles.attach(id),
    onAdopted: (record) => scopes.place(record),
    onGone: async (id) => {
      consoles.release(id);
      await agents.release(id);
    },
    onEnded: (id) => chains.look(id),
    cleanUpRun: (record) => cleanUpRun(directory, record),
  });
  return { agents, scopes, supervisor };
}
