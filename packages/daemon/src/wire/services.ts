/** The services that the API's handlers call, made of the host's parts. */

import { BackupService } from '@corral/host/backup/backup-service';
import { PlanService } from '@corral/host/backup/plan/plan-service';
import { TrackingService } from '@corral/host/backup/tracking-service';
import { CheckpointService } from '@corral/host/checkpoint/checkpoint-service';
import { ScreenService } from '@corral/host/console/screens';
import type { EventLog } from '@corral/host/event-log';
import { ExportService } from '@corral/host/export/export-service';
import { GuestService } from '@corral/host/guest/guest-service';
import { HostService } from '@corral/host/host-service';
import { ImageService } from '@corral/host/image/image-service';
import { chooseCpuModel } from '@corral/host/qemu-facts';
import { RegistrationService } from '@corral/host/registration/registration-service';
import { RepositoryService } from '@corral/host/repository/repository-service';
import { RestoreService } from '@corral/host/restore/restore-service';
import { inspectDevice } from '@corral/host/storage/block-device';
import { volumeFacts } from '@corral/host/storage/volume-facts';
import { ChangesService } from '@corral/host/tracking/changes-service';
import { ReferenceService } from '@corral/host/tracking/reference-service';
import { VmService } from '@corral/host/vm/vm-service';
import { chainInspector } from '@corral/host/volume/chain-inspector';
import { VolumeService } from '@corral/host/volume/volume-service';
import type { HostIdentity } from '../host-identity.ts';
import type { OperationService, Services } from '../services.ts';
import type { HostParts } from './host-parts.ts';
import { buildFileHelper, inspectSource, makeSeed } from './image-sources.ts';
import type { Platform } from './platform.ts';

export interface ServicesOptions {
  readonly parts: HostParts;
  readonly events: EventLog;
  readonly identity: HostIdentity;
  readonly version: string;
  readonly startedAt: string;
  readonly platform: Platform;
  readonly endpoints: () => readonly string[];
}

export function makeServices(options: ServicesOptions): Services {
  const { parts, events, platform } = options;
  const { active, engine, host } = parts;
  const start: ConstructorParameters<typeof ImageService>[2] = (operation, input, { requestedBy }) =>
    engine.start(operation, input, { requestedBy });
  const version = async () => {
    const qemu = await platform.qemu();
    const { kind } = await platform.accelerator();
    return { machineType: qemu.machineType, cpuModel: chooseCpuModel(qemu, kind) };
  };
  const backups = new BackupService(parts.backups.backups, parts.backups.kinds, start);
  const images = new ImageService(parts.imageHost, parts.images, start);
  return {
    host: new HostService({
      host,
      identity: options.identity,
      version: options.version,
      startedAt: options.startedAt,
      endpoints: options.endpoints,
      qemu: platform.qemu,
      accelerator: platform.accelerator,
      autostop: (requestedBy) => engine.start(parts.autostop, {}, { requestedBy }),
      busyVms: async () => active.busy('vm'),
      volume: () => volumeFacts(host.directory.root),
    }),
    images,
    vms: new VmService({
      host,
      operations: parts.vms,
      start,
      operationOn: async (vmId) => active.on(`vm/${vmId}`)?.id ?? null,
      image: (nameOrId) => images.facts(nameOrId),
      inspectSource,
      inspectDevice,
      makeSeed,
      version,
    }),
    registrations: new RegistrationService({
      host,
      operation: parts.register,
      start,
      qemu: platform.qemu,
    }),
    checkpoints: new CheckpointService({ host, operations: parts.checkpoints, start }),
    volumes: new VolumeService({
      host: parts.volumeHost,
      operations: parts.volumeKinds,
      start,
      inspectors: [chainInspector(host.directory, host.chainRecords)],
    }),
    plans: new PlanService(parts.backups.backups, parts.backups.plans, parts.backups.planRunner),
    tracking: new TrackingService(parts.backups.backups),
    exports: new ExportService(parts.backups.changes, parts.backups.exportKinds.export, start),
    changes: new ChangesService(parts.backups.changes, parts.backups.changesKinds, start),
    references: new ReferenceService(host, parts.backups.references, start),
    backups,
    restores: new RestoreService({
      restores: parts.restores,
      operations: parts.restoreKinds,
      start,
      helperImage: buildFileHelper,
      version,
      find: (backup, query, signal) => backups.find(backup, query, signal),
    }),
    repositories: new RepositoryService(parts.repositories, parts.repositoryKinds, start),
    guests: new GuestService(host),
    screens: new ScreenService(host, parts.consoles),
    operations: operationService(engine),
    events,
  };
}

function operationService(engine: HostParts['engine']): OperationService {
  return {
    list: (query) => engine.list(query),
    show: (id) => engine.get(id),
    cancel: (id) => engine.cancel(id),
    retry: (id) => engine.retry(id),
    follow: (id, afterRevision, signal) =>
      engine.follow(id, { signal, ...(afterRevision === null ? {} : { afterRevision }) }),
  };
}
