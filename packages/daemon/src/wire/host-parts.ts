/** The parts of this host, put together: records, supervisor, operations and their engine. */

import { hostAutostop } from '@corral/host/autostart/autostop';
import { checkpointOperations } from '@corral/host/checkpoint/checkpoint-operations';
import { SerialConsoles } from '@corral/host/console/screens';
import type { DataDirectory } from '@corral/host/data-directory';
import type { EventLog } from '@corral/host/event-log';
import { type ImageHost, imageOperations } from '@corral/host/image/image-operations';
import { ImageRecords } from '@corral/host/image/image-record';
import type { Logger } from '@corral/host/logger';
import { vmRegister } from '@corral/host/registration/register-operation';
import { repositoryOperations } from '@corral/host/repository/repository-operations';
import type { LaunchHost } from '@corral/host/vm/launch';
import type { vmOperations } from '@corral/host/vm/vm-operations';
import type { VmRecord } from '@corral/host/vm/vm-record';
import { chainInspector } from '@corral/host/volume/chain-inspector';
import { volumeOperations } from '@corral/host/volume/volume-operations';
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
import { assembleRestores } from './restores.ts';
import { tellEvent } from './tell-event.ts';
import { assembleVmHost } from './vm-host.ts';

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
  /** Of a merge below a running guest; 0: no limit. */
  readonly mergeBytesPerSecond: number;
}

/** How long a guest may take to shut down when the host does. */
const autostopShutdownMs = 120_000;

export async function assembleHost(options: HostPartsOptions) {
  const { directory, events, identity, launchHost, log, metrics, nodeName, store } = options;
  let engine: OperationEngine;
  const consoles = new SerialConsoles(directory, log);
  const emit = tellEvent(events, log);
  const repositories = assembleRepositories(store, directory, emit);
  const { connections } = repositories;
  const late = { connections, consoles, engine: () => engine };
  const { host, merge, vms } = await assembleVmHost({
    ...late,
    store,
    directory,
    emit,
    log,
    identity,
    launchHost,
    mergeBytesPerSecond: options.mergeBytesPerSecond,
  });
  const { chainRecords, records, volumes } = host;
  const checkpoints = checkpointOperations(host);
  const register = vmRegister(host);
  const { filesOf } = chainInspector(directory, chainRecords);
  const imageHost: ImageHost = {
    filesOf,
    directory,
    records: new ImageRecords(store),
    vms: records,
    emit,
    buildMicro,
    importDisk,
    volumes,
  };
  const volumeHost = { volumes, vms: records, emit, filesOf };
  const volumeKinds = volumeOperations(volumeHost);
  const repositoryKinds = repositoryOperations(repositories);
  const backups = assembleBackups(host, store, connections, () => engine, options.backupBytesPerSecond);
  const { restores, restoreKinds } = assembleRestores({ ...late, host, vms });
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
    ...Object.values(backups.exportKinds),
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
