/**
 * What the API's handlers need of the rest of the daemon: narrow interfaces, which packages/host implements and
 * main.ts wires. A VM, an image or a disk is named by its name or its id; what is not there raises the resource's
 * own error. Whatever changes something long-lived gives back the operation that does it (invariant 2).
 */
import type { Duplex } from 'node:stream';
import type { Role } from '@corral/api/roles';
import type { Backup, BackupFindings, BackupQuery, BackupRun } from '@corral/api/schemas/backup';
import type {
  BackupPlan,
  BackupPlanCreate,
  BackupPlanPatch,
  BackupPlanRun,
} from '@corral/api/schemas/backup-plan';
import type {
  Checkpoint,
  CheckpointApply,
  CheckpointCreate,
  CheckpointExport,
  CheckpointPresent,
} from '@corral/api/schemas/checkpoint';
import type { Event, EventFollowQuery, EventListQuery } from '@corral/api/schemas/event';
import type { VmExport } from '@corral/api/schemas/export';
import type { GuestExec, GuestExecResult, GuestInfo, KeyValue } from '@corral/api/schemas/guest';
import type { DoctorReport, Host } from '@corral/api/schemas/host';
import type { Image, ImageBuild, ImageImport } from '@corral/api/schemas/image';
import type { OperationState } from '@corral/api/schemas/operation';
import type {
  ChangedExtent,
  Changes,
  ChangesOpen,
  Reference,
  ReferenceCreate,
} from '@corral/api/schemas/reference';
import type { RegistrationReport, VmRegister } from '@corral/api/schemas/registration';
import type {
  Repository,
  RepositoryConnect,
  RepositoryCopy,
  RepositoryCreate,
  RepositoryKey,
  RepositoryKeyAdd,
  RepositoryPatch,
  RepositoryPrunePreview,
  RepositoryStatistics,
} from '@corral/api/schemas/repository';
import type {
  BackupListFiles,
  BackupVerify,
  RestoreDisk,
  RestoreFiles,
  RestoreInPlace,
  RestoreVm,
} from '@corral/api/schemas/restore';
import type { TicketKind } from '@corral/api/schemas/ticket';
import type { Tracking, TrackingPatch } from '@corral/api/schemas/tracking';
import type {
  DiskResize,
  DiskSource,
  PortSource,
  Vm,
  VmClone,
  VmCreate,
  VmPatch,
  VmShutdown,
} from '@corral/api/schemas/vm';
import type { Volume, VolumeAdd, VolumeCheck, VolumePatch, VolumeSeize } from '@corral/api/schemas/volume';
import type { OperationSnapshot } from '@corral/operation/operation';

/** Who asks. */
export interface Caller {
  /** For logs, events and `requestedBy`: `token ci` or `socket`. */
  readonly name: string;
  readonly role: Role;
}

export interface HostService {
  show(): Promise<Host>;
  doctor(signal: AbortSignal): Promise<DoctorReport>;
  /** Ends every VM as its setting `autostop` says. */
  autostop(caller: Caller): Promise<OperationSnapshot>;
}

export interface ImageService {
  list(): Promise<readonly Image[]>;
  /** @throws image.not-found */
  show(image: string): Promise<Image>;
  /** @throws image.exists */
  import(input: ImageImport, caller: Caller): Promise<OperationSnapshot>;
  build(input: ImageBuild, caller: Caller): Promise<OperationSnapshot>;
  /** @throws image.not-found, image.in-use */
  delete(image: string, caller: Caller): Promise<OperationSnapshot>;
}

export interface VolumeService {
  list(): Promise<readonly Volume[]>;
  /** @throws volume.not-found */
  show(volume: string): Promise<Volume>;
  /** @throws volume.bad-root, volume.exists, volume.foreign */
  add(input: VolumeAdd, caller: Caller): Promise<OperationSnapshot>;
  update(volume: string, patch: VolumePatch, caller: Caller): Promise<OperationSnapshot>;
  /** @throws volume.in-use, volume.local */
  remove(volume: string, caller: Caller): Promise<OperationSnapshot>;
  /** @throws volume.running, volume.local */
  release(volume: string, caller: Caller): Promise<OperationSnapshot>;
  seize(volume: string, input: VolumeSeize, caller: Caller): Promise<OperationSnapshot>;
  /** @param vm only this one. @throws volume.unavailable, vm.not-found */
  check(volume: string, vm: string | undefined, signal: AbortSignal): Promise<VolumeCheck>;
}

/** Actions that need no more than the VM. */
export type PlainVmAction = 'start' | 'stop' | 'pause' | 'resume' | 'save' | 'discard-saved' | 'reset';

export interface VmService {
  list(): Promise<readonly Vm[]>;
  /** @throws vm.not-found */
  show(vm: string): Promise<Vm>;
  create(input: VmCreate, caller: Caller): Promise<OperationSnapshot>;
  /**
   * @param expectedGeneration null: whatever is there
   * @throws vm.changed when the VM is at another generation
   */
  update(
    vm: string,
    patch: VmPatch,
    expectedGeneration: number | null,
    caller: Caller,
  ): Promise<OperationSnapshot>;
  /** As `update`. */
  delete(vm: string, expectedGeneration: number | null, caller: Caller): Promise<OperationSnapshot>;
  clone(vm: string, input: VmClone, caller: Caller): Promise<OperationSnapshot>;
  act(vm: string, action: PlainVmAction, caller: Caller): Promise<OperationSnapshot>;
  shutdown(vm: string, input: VmShutdown, caller: Caller): Promise<OperationSnapshot>;
  addDisk(vm: string, disk: DiskSource, caller: Caller): Promise<OperationSnapshot>;
  removeDisk(
    vm: string,
    disk: string,
    options: { readonly keep: boolean },
    caller: Caller,
  ): Promise<OperationSnapshot>;
  /** @throws vm.disk-not-found, vm.disk-shrinks */
  resizeDisk(vm: string, disk: string, input: DiskResize, caller: Caller): Promise<OperationSnapshot>;
  /** @throws vm.disk-not-found */
  acceptDisk(vm: string, disk: string, caller: Caller): Promise<OperationSnapshot>;
  addPort(vm: string, port: PortSource, caller: Caller): Promise<OperationSnapshot>;
  removePort(vm: string, port: string, caller: Caller): Promise<OperationSnapshot>;
}

export interface ExportService {
  /** @throws tracking.reference-not-found, tracking.reference-exists */
  export(vm: string, input: VmExport, caller: Caller): Promise<OperationSnapshot>;
}

export interface CheckpointService {
  /** Oldest first. */
  list(vm: string): Promise<{ readonly items: readonly Checkpoint[]; readonly present: CheckpointPresent }>;
  /** @throws checkpoint.not-found */
  show(vm: string, checkpoint: string): Promise<Checkpoint>;
  create(vm: string, input: CheckpointCreate, caller: Caller): Promise<OperationSnapshot>;
  /** @throws checkpoint.present-at-stake unless it is said what becomes of the present */
  apply(vm: string, checkpoint: string, input: CheckpointApply, caller: Caller): Promise<OperationSnapshot>;
  rename(vm: string, checkpoint: string, name: string, caller: Caller): Promise<OperationSnapshot>;
  delete(
    vm: string,
    checkpoint: string,
    options: { readonly subtree: boolean },
    caller: Caller,
  ): Promise<OperationSnapshot>;
  export(vm: string, checkpoint: string, input: CheckpointExport, caller: Caller): Promise<OperationSnapshot>;
}

export interface RegistrationService {
  /** What of the VM does not fit this host. Changes nothing. */
  check(input: VmRegister): Promise<RegistrationReport>;
  /** @throws vm.not-registrable */
  register(input: VmRegister, caller: Caller): Promise<OperationSnapshot>;
}

export interface GuestFile {
  /** Null where the agent does not say. */
  readonly sizeBytes: number | null;
  readonly content: AsyncIterable<Uint8Array>;
}

/** Every call is bounded in time by the implementation, and ends when the signal aborts. */
export interface GuestService {
  info(vm: string, signal: AbortSignal): Promise<GuestInfo>;
  exec(vm: string, input: GuestExec, signal: AbortSignal): Promise<GuestExecResult>;
  readFile(vm: string, path: string, maxBytes: number, signal: AbortSignal): Promise<GuestFile>;
  /** @returns bytes written */
  writeFile(
    vm: string,
    path: string,
    content: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<number>;
  listKeyValues(vm: string, signal: AbortSignal): Promise<readonly KeyValue[]>;
  /** A pair that the host wrote. */
  putKeyValue(vm: string, key: string, value: string, signal: AbortSignal): Promise<KeyValue>;
  /** @throws guest.key-not-found */
  deleteKeyValue(vm: string, key: string, signal: AbortSignal): Promise<void>;
}

export interface ScreenService {
  /** Whether the VM could be opened now. @throws vm.not-found, vm.illegal-state @returns its id */
  check(vm: string, kind: TicketKind): Promise<string>;
  /** The bytes of the serial port or of the VNC server. Ends when either side does. */
  open(vmId: string, kind: TicketKind, signal: AbortSignal): Promise<Duplex>;
}

export interface OperationQuery {
  readonly limit: number;
  readonly after: string | undefined;
  readonly state: OperationState | undefined;
  readonly target: string | undefined;
}

export interface OperationPage {
  readonly items: readonly OperationSnapshot[];
  readonly next: string | null;
}

export interface OperationService {
  /** Newest first. */
  list(query: OperationQuery): Promise<OperationPage>;
  /** @throws operation.not-found */
  show(id: string): Promise<OperationSnapshot>;
  /** @throws operation.not-cancellable */
  cancel(id: string, caller: Caller): Promise<OperationSnapshot>;
  /** @throws operation.not-stuck */
  retry(id: string, caller: Caller): Promise<OperationSnapshot>;
  /** The present state, unless its revision is `afterRevision`, and every later one; ends when the operation has. */
  follow(id: string, afterRevision: number | null, signal: AbortSignal): AsyncIterable<OperationSnapshot>;
}

export interface EventService {
  list(query: EventListQuery): Promise<{ readonly items: readonly Event[]; readonly next: string | null }>;
  /**
   * Events after `query.after`, or from now on, until the signal aborts (the iteration rejects with its reason).
   *
   * @throws api.history-gone when events after it are no longer kept, at once or while it is read
   */
  follow(query: EventFollowQuery, signal: AbortSignal): Promise<AsyncIterable<Event>>;
}

/** A repository is named by its name or the id of the connection. @throws repository.not-connected */
export interface RepositoryService {
  list(): Promise<readonly Repository[]>;
  show(repository: string): Promise<Repository>;
  statistics(repository: string, signal: AbortSignal): Promise<RepositoryStatistics>;
  /** @throws repository.append-only */
  prunePreview(
    repository: string,
    applyRetention: boolean,
    signal: AbortSignal,
  ): Promise<RepositoryPrunePreview>;
  /** @throws repository.name-taken */
  create(input: RepositoryCreate, caller: Caller): Promise<OperationSnapshot>;
  /** @throws repository.name-taken */
  connect(input: RepositoryConnect, caller: Caller): Promise<OperationSnapshot>;
  remove(repository: string, caller: Caller): Promise<OperationSnapshot>;
  set(repository: string, patch: RepositoryPatch, caller: Caller): Promise<OperationSnapshot>;
  check(repository: string, readData: boolean, caller: Caller): Promise<OperationSnapshot>;
  prune(repository: string, applyRetention: boolean, caller: Caller): Promise<OperationSnapshot>;
  repair(repository: string, caller: Caller): Promise<OperationSnapshot>;
  copy(repository: string, input: RepositoryCopy, caller: Caller): Promise<OperationSnapshot>;
  keys(repository: string, signal: AbortSignal): Promise<readonly RepositoryKey[]>;
  addKey(repository: string, input: RepositoryKeyAdd, caller: Caller): Promise<OperationSnapshot>;
  removeKey(repository: string, key: string, caller: Caller): Promise<OperationSnapshot>;
  changeKey(repository: string, input: RepositoryKeyAdd, caller: Caller): Promise<OperationSnapshot>;
}

export interface PlanService {
  list(): Promise<readonly BackupPlan[]>;
  /** @throws backup.plan-not-found */
  show(plan: string): Promise<BackupPlan>;
  /** @throws backup.plan-exists */
  create(input: BackupPlanCreate): Promise<BackupPlan>;
  set(plan: string, patch: BackupPlanPatch): Promise<BackupPlan>;
  run(plan: string, caller: Caller): Promise<BackupPlanRun>;
  delete(plan: string): Promise<void>;
}

export interface TrackingService {
  /** @throws vm.not-found */
  show(vm: string): Promise<Tracking>;
  set(vm: string, patch: TrackingPatch): Promise<Tracking>;
}

export interface ReferenceService {
  list(vm: string): Promise<readonly Reference[]>;
  create(vm: string, input: ReferenceCreate, caller: Caller): Promise<OperationSnapshot>;
  /** @throws tracking.reference-not-found */
  delete(vm: string, reference: string, caller: Caller): Promise<OperationSnapshot>;
}

export interface ChangesService {
  open(vm: string, input: ChangesOpen, caller: Caller): Promise<OperationSnapshot>;
  list(vm: string): Promise<readonly Changes[]>;
  /** @throws tracking.changes-not-found */
  show(vm: string, id: string): Promise<Changes>;
  /** Those that end behind `after`, in order; `next` is the `after` of the next page. */
  extents(
    vm: string,
    id: string,
    disk: string,
    after: number,
    limit: number,
  ): Promise<{ readonly items: ChangedExtent[]; readonly next: number | null }>;
  close(vm: string, id: string, caller: Caller): Promise<OperationSnapshot>;
}

export interface BackupService {
  /** @throws backup.pass-through: what cannot be backed up is refused before anything starts */
  run(vm: string, input: BackupRun, caller: Caller): Promise<OperationSnapshot>;
  /** Oldest first. */
  list(
    query: BackupQuery & { readonly vm?: string | undefined },
    signal: AbortSignal,
  ): Promise<readonly Backup[]>;
  /** @throws backup.not-found, backup.not-found-anywhere */
  show(backup: string, query: BackupQuery, signal: AbortSignal): Promise<Backup>;
  /** @throws backup.not-found, backup.not-found-anywhere */
  findings(backup: string, query: BackupQuery, signal: AbortSignal): Promise<BackupFindings>;
  delete(backup: string, query: BackupQuery, caller: Caller, signal: AbortSignal): Promise<OperationSnapshot>;
}

export interface RestoreService {
  /** @throws backup.not-found, restore.no-settings, vm.name-taken */
  vm(backup: string, input: RestoreVm, caller: Caller, signal: AbortSignal): Promise<OperationSnapshot>;
  /** @throws restore.not-confirmed, restore.other-vm, vm.illegal-state */
  inPlace(
    backup: string,
    input: RestoreInPlace,
    caller: Caller,
    signal: AbortSignal,
  ): Promise<OperationSnapshot>;
  /** @throws restore.no-such-disk, vm.disk-exists */
  disk(backup: string, input: RestoreDisk, caller: Caller, signal: AbortSignal): Promise<OperationSnapshot>;
  verify(
    backup: string,
    input: BackupVerify,
    caller: Caller,
    signal: AbortSignal,
  ): Promise<OperationSnapshot>;
  /** @param target where the file goes on the host; null: list */
  browse(
    backup: string,
    input: BackupListFiles,
    target: string | null,
    caller: Caller,
    signal: AbortSignal,
  ): Promise<OperationSnapshot>;
  /** @throws restore.no-such-disk */
  files(backup: string, input: RestoreFiles, caller: Caller, signal: AbortSignal): Promise<OperationSnapshot>;
}

export interface Services {
  readonly host: HostService;
  readonly images: ImageService;
  readonly volumes: VolumeService;
  readonly repositories: RepositoryService;
  readonly vms: VmService;
  readonly checkpoints: CheckpointService;
  readonly registrations: RegistrationService;
  readonly references: ReferenceService;
  readonly changes: ChangesService;
  readonly backups: BackupService;
  readonly plans: PlanService;
  readonly exports: ExportService;
  readonly tracking: TrackingService;
  readonly restores: RestoreService;
  readonly guests: GuestService;
  readonly screens: ScreenService;
  readonly operations: OperationService;
  readonly events: EventService;
}
