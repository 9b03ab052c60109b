/** The schemas that have a name in the OpenAPI file. Every body and every answer is one of them. */
import type { z } from 'zod';
import { EventPage } from './routes/event-routes.ts';
import { KeyValuePage } from './routes/guest-routes.ts';
import { ImagePage } from './routes/image-routes.ts';
import { OperationPage } from './routes/operation-routes.ts';
import { RepositoryKeyPage, RepositoryPage } from './routes/repository-routes.ts';
import { TokenPage } from './routes/token-routes.ts';
import { DiskPage } from './routes/vm-disk-routes.ts';
import { PortPage } from './routes/vm-port-routes.ts';
import { VmPage } from './routes/vm-routes.ts';
import { VolumePage } from './routes/volume-routes.ts';
import { Backup, BackupDisk, BackupPage, BackupRun, BackupVerification } from './schemas/backup.ts';
import {
  Checkpoint,
  CheckpointApply,
  CheckpointCreate,
  CheckpointExport,
  CheckpointPage,
  CheckpointPatch,
  CheckpointPresent,
} from './schemas/checkpoint.ts';
import { Event, EventSubject } from './schemas/event.ts';
import {
  GuestAddress,
  GuestExec,
  GuestExecResult,
  GuestFileWritten,
  GuestInfo,
  KeyValue,
  KeyValuePut,
} from './schemas/guest.ts';
import {
  Accelerator,
  DoctorFinding,
  DoctorReport,
  Health,
  Host,
  HostMemory,
  HostVolume,
} from './schemas/host.ts';
import { Image, ImageBuild, ImageImport } from './schemas/image.ts';
import { Operation, OperationProgress, OperationStep } from './schemas/operation.ts';
import { Problem, ProblemCause } from './schemas/problem.ts';
import { Reference, ReferenceCreate, ReferencePage } from './schemas/reference.ts';
import { RegistrationFinding, RegistrationReport, VmRegister } from './schemas/registration.ts';
import {
  Repository,
  RepositoryCheck,
  RepositoryCheckReport,
  RepositoryConnect,
  RepositoryCopy,
  RepositoryCopyResult,
  RepositoryCreate,
  RepositoryKey,
  RepositoryKeyAdd,
  RepositoryPatch,
  RepositoryPlace,
  RepositoryPrune,
  RepositoryPruneResult,
  RepositoryRepairResult,
  RepositorySecret,
  RepositoryStatistics,
  RetentionRules,
  StoreCredentials,
} from './schemas/repository.ts';
import { RestoreDisk, RestoreFiles, RestoreInPlace, RestoreVm } from './schemas/restore.ts';
import { Ticket, TicketCreate } from './schemas/ticket.ts';
import { Token, TokenCreate, TokenCreated } from './schemas/token.ts';
import {
  DiskSource,
  PortSource,
  SeedSource,
  Vm,
  VmClone,
  VmCreate,
  VmPatch,
  VmShutdown,
} from './schemas/vm.ts';
import { Autostart, DiskSettings, KernelBoot, PortSettings, VmVersion } from './schemas/vm-settings.ts';
import {
  Volume,
  VolumeAdd,
  VolumeCapabilities,
  VolumeCheck,
  VolumeFinding,
  VolumeOwner,
  VolumePatch,
  VolumeSeize,
} from './schemas/volume.ts';

export const components: Readonly<Record<string, z.ZodType>> = {
  Accelerator,
  Autostart,
  Backup,
  BackupDisk,
  BackupPage,
  BackupRun,
  BackupVerification,
  Checkpoint,
  CheckpointApply,
  CheckpointCreate,
  CheckpointExport,
  CheckpointPage,
  CheckpointPatch,
  CheckpointPresent,
  DiskPage,
  DiskSettings,
  DiskSource,
  DoctorFinding,
  DoctorReport,
  Event,
  EventPage,
  EventSubject,
  GuestAddress,
  GuestExec,
  GuestExecResult,
  GuestFileWritten,
  GuestInfo,
  Health,
  Host,
  HostMemory,
  HostVolume,
  Image,
  ImageBuild,
  ImageImport,
  ImagePage,
  KernelBoot,
  KeyValue,
  KeyValuePage,
  KeyValuePut,
  Operation,
  OperationPage,
  OperationProgress,
  OperationStep,
  PortPage,
  PortSettings,
  PortSource,
  Problem,
  ProblemCause,
  Reference,
  ReferenceCreate,
  ReferencePage,
  RegistrationFinding,
  RegistrationReport,
  Repository,
  RepositoryCheck,
  RepositoryCheckReport,
  RepositoryConnect,
  RepositoryCopy,
  RepositoryCopyResult,
  RepositoryCreate,
  RepositoryKey,
  RepositoryKeyAdd,
  RepositoryKeyPage,
  RepositoryPage,
  RepositoryPatch,
  RepositoryPlace,
  RepositoryPrune,
  RepositoryPruneResult,
  RepositoryRepairResult,
  RepositorySecret,
  RepositoryStatistics,
  RestoreDisk,
  RestoreFiles,
  RestoreInPlace,
  RestoreVm,
  RetentionRules,
  StoreCredentials,
  SeedSource,
  Ticket,
  TicketCreate,
  Token,
  TokenCreate,
  TokenCreated,
  TokenPage,
  Vm,
  VmClone,
  VmCreate,
  VmPage,
  VmPatch,
  VmRegister,
  VmShutdown,
  VmVersion,
  Volume,
  VolumeAdd,
  VolumeCapabilities,
  VolumeCheck,
  VolumeFinding,
  VolumeOwner,
  VolumePage,
  VolumePatch,
  VolumeSeize,
};
