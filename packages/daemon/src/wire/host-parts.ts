/** The parts of this host, put together: records, supervisor, operations and their engine. */

import { derivedId } from '@corral/core/ids';
import { hostAutostop } from '@corral/host/autostart/autostop';
import { ChainKeeper } from '@corral/host/chain/chain-keeper';
import { ChainRecords } from '@corral/host/chain/chain-records';
import { vmMerge } from '@corral/host/chain/merge-operation';
import { rewriteCheckpointFiles } from '@corral/host/checkpoint/checkpoint-files';
import { checkpointOperations } from '@corral/host/checkpoint/checkpoint-operations';
import { UserfaultfdLender } from '@corral/host/checkpoint/lend-userfaultfd';
import { SerialConsoles } from '@corral/host/console/screens';
import { VmScopes } from '@corral/host/control-group/vm-scopes';
import type { DataDirectory } from '@corral/host/data-directory';
import type { EventLog } from '@corral/host/event-log';
import { AgentChannels } from '@corral/host/guest/agent-channels';
import { type ImageHost, imageOperations } from '@corral/host/image/image-operations';
import { ImageRecords } from '@corral/host/image/image-record';
import type { Logger } from '@corral/host/logger';
import { vmRegister } from '@corral/host/registration/register-operation';
import { repositoryOperations } from '@corral/host/repository/repository-operations';
import { ChildOperations } from '@corral/host/restore/child-operations';
import { PointServers } from '@corral/host/restore/point-servers';
import type { RestoreHost } from '@corral/host/restore/restore-host';
import { restoreOperations } from '@corral/host/restore/restore-operations';
import { saveChanges } from '@corral/host/tracking/save-changes';
import { cleanUpRun, type LaunchHost } from '@corral/host/vm/launch';
import type { VmHost } from '@corral/host/vm/vm-host';
import { rewriteSettingsFile } from '@corral/host/vm/vm-host';
import { vmOperations } from '@corral/host/vm/vm-operations';
import type { VmRecord } from '@corral/host/vm/vm-record';
import { VmRecords } from '@corral/host/vm/vm-record';
import { VmSupervisor } from '@corral/host/vm/vm-supervisor';
import { chainInspector } from '@corral/host/volume/chain-inspector';
import { directoryDriver } from '@corral/host/volume/directory-driver';
import { volumeOperations } from '@corral/host/volume/volume-operations';
import { VolumeRecords } from '@corral/host/volume/volume-record';
import { Volumes } from '@corral/host/volume/volumes';
import { lookAtVolumes } from '@corral/host/volume/watch-volumes';
import { type OperationEngine, openOperationEngine } from '@corral/operation/operation-engine';
import { OperationRegistry } from '@corral/operation/operation-registry';
import type { Store } from '@corral/store/store';
import type { Metrics } from '../metrics.ts';
import { ActiveOperations } from './active-operations.ts';
import { assembleBackups } from './backups.ts';
import { faultsOf } from './faults.ts';
import { buildMicro, importDisk } from './image-sources.ts';
import { onOperationChange } from './operation-events.ts';
import { assembleRepositories } from './repositories.ts';
import { tellEvent } from './tell-event.ts';

export interface HostPartsOptions {
  readonly store: Store;
  readonly directory: DataDirectory;
  readonly events: EventLog;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly nodeName: string;
  /** This host, as owner files of volumes name it. */
  readonly identity: { readonly id: string; readonly name: string };
  readonly launchHost: () => Promise<LaunchHost>;
  /** Null: no limit. */
  readonly backupBytesPerSecond: number | null;
}

/** Above what Debian and systemd give out (systemd's UIDS-GIDS.md: 1,879,048,192 and up are unused). */
const firstVmUid = 1_900_000_000;
/** How long a guest may take to shut down when the host does. */
const autostopShutdownMs = 120_000;

export async function assembleHost(options: HostPartsOptions) {
  const { directory, events, log, metrics, nodeName, store } = options;
  const agents = new AgentChannels(directory);
  const consoles = new SerialConsoles(directory, log);
  const records = new VmRecords(store);
  const chainRecords = new ChainRecords(store);
  const emit = tellEvent(events, log);
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
  let engine: OperationEngine;
  const repositories = assembleRepositories(store, directory, emit);
  const chains = new ChainKeeper({
    directory,
    records: chainRecords,
    vmIds: async () => (await records.list()).map(({ settings }) => settings.id),
    startMerge: async (request) => void (await engine.start(merge, request, { requestedBy: 'corral' })),
    log,
  });
  const host: VmHost = {
    directory,
    records,
    chainRecords,
    chains,
    pointServers: new PointServers(directory, repositories.connections),
    userfaultfd: new UserfaultfdLender(directory),
    volumes,
    supervisor,
    scopes,
    agents,
    emit,
    log,
    firstUid,
    launchHost: options.launchHost,
    queueStart: async (vm, operationId, requestedBy) => {
      const id = derivedId(`start of ${operationId}`);
      return (await engine.start(vms.start, vm, { requestedBy, id, whenBusy: 'queue' })).id;
    },
  };
  const vms = vmOperations(host);
  const checkpoints = checkpointOperations(host);
  const register = vmRegister(host);
  const merge = vmMerge(host, {
    saveChanges: (request, signal) => saveChanges(host, request.vmId, request.diskId, request, signal),
    rewriteFiles: async (vmId) => {
      await rewriteSettingsFile(host, vmId);
      await rewriteCheckpointFiles(host, vmId);
    },
  });
  const imageHost: ImageHost = {
    directory,
    records: new ImageRecords(store),
    vms: records,
    emit,
    buildMicro,
    importDisk,
    volumes,
  };
  const { filesOf } = chainInspector(directory, chainRecords);
  const volumeHost = { volumes, vms: records, emit, filesOf };
  const volumeKinds = volumeOperations(volumeHost);
  const repositoryKinds = repositoryOperations(repositories);
  const backups = assembleBackups(
    host,
    store,
    repositories.connections,
    () => engine,
    options.backupBytesPerSecond,
  );
  const restores: RestoreHost = {
    host,
    connections: repositories.connections,
    queueDiskAdd: async (target, operationId, requestedBy) => {
      const id = derivedId(`disk of ${operationId}`);
      const input = { ...target, making: { kind: 'blank' } as const, volumes: [] };
      return (await engine.start(vms.diskAdd, input, { requestedBy, id, whenBusy: 'queue' })).id;
    },
    children: new ChildOperations(() => engine),
    kinds: () => ({
      restoreVm: restoreKinds.vm,
      start: vms.start,
      stop: vms.stop,
      delete: vms.delete,
    }),
    consoles: { historyOf: (vmId) => consoles.of(vmId)?.history().toString('latin1') ?? null },
    beginCopy: async (copy, operationId, requestedBy) => {
      const id = derivedId(`copy of ${operationId}`);
      return (await engine.start(restoreKinds.copy, copy, { requestedBy, id, whenBusy: 'queue' })).id;
    },
  };
  const restoreKinds = restoreOperations(restores);
  const images = imageOperations(imageHost);
  const autostop = hostAutostop(
    host,
    autostopActions(vms, () => engine),
  );
  const registry = new OperationRegistry([
    ...Object.values(vms),
    ...Object.values(checkpoints),
    register,
    ...Object.values(images),
    ...Object.values(volumeKinds),
    ...Object.values(repositoryKinds),
    ...Object.values(backups.kinds),
    ...Object.values(backups.references),
    ...Object.values(backups.changesKinds),
    backups.fork,
    ...Object.values(restoreKinds),
    merge,
    autostop,
  ]);
  const active = new ActiveOperations();
  const faults = faultsOf(process.env, directory, records);
  engine = await openOperationEngine({
    store,
    registry,
    owner: nodeName,
    onChange: (operation) => onOperationChange({ active, metrics, events, log }, operation),
    onTrouble: (cause) => log.error({ err: cause }, 'an operation is in trouble'),
    ...(faults ? { observer: faults } : {}),
  });
  return {
    host,
    vms,
    checkpoints,
    register,
    imageHost,
    images,
    volumeHost,
    volumeKinds,
    repositories,
    repositoryKinds,
    backups,
    restores,
    restoreKinds,
    autostop,
    engine,
    active,
    consoles,
  };
}

export type HostParts = Awaited<ReturnType<typeof assembleHost>>;

function autostopActions(vms: ReturnType<typeof vmOperations>, engine: () => OperationEngine) {
  const target = ({ settings: { id, name } }: VmRecord) => ({ id, name });
  const options = { requestedBy: 'autostop', whenBusy: 'queue' } as const;
  return {
    save: async (vm: VmRecord) => void (await engine().run(vms.save, target(vm), options)),
    stop: async (vm: VmRecord) => void (await engine().run(vms.stop, target(vm), options)),
    shutdown: async (vm: VmRecord) => {
      const input = { ...target(vm), limitMs: autostopShutdownMs, force: false };
      await engine().run(vms.shutdown, input, options);
    },
  };
}
