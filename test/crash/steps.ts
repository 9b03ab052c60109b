/** The points at which an operation can be struck, of every step of every kind in the registry. */
import { type AutostopActions, hostAutostop } from '@corral/host/autostart/autostop';
import { backupDelete } from '@corral/host/backup/backup-delete';
import type { BackupHost } from '@corral/host/backup/backup-host';
import { backupRun } from '@corral/host/backup/backup-operation';
import { vmFork } from '@corral/host/backup/fork-operation';
import { type MergeOptions, vmMerge } from '@corral/host/chain/merge-operation';
import { checkpointOperations } from '@corral/host/checkpoint/checkpoint-operations';
import { type ExportHost, vmExport } from '@corral/host/export/vm-export';
import { type ImageHost, imageOperations } from '@corral/host/image/image-operations';
import { vmRegister } from '@corral/host/registration/register-operation';
import type { RepositoryConnections } from '@corral/host/repository/connections';
import type { RepositoryHost } from '@corral/host/repository/repository-host';
import { repositoryOperations } from '@corral/host/repository/repository-operations';
import type { RestoreHost } from '@corral/host/restore/restore-host';
import { restoreOperations } from '@corral/host/restore/restore-operations';
import { type ChangesHost, changesClose, changesOpen } from '@corral/host/tracking/changes-operations';
import { referenceCreate, referenceDelete } from '@corral/host/tracking/reference-operations';
import type { VmHost } from '@corral/host/vm/vm-host';
import { vmOperations } from '@corral/host/vm/vm-operations';
import type { VolumeHost } from '@corral/host/volume/volume-host';
import { volumeOperations } from '@corral/host/volume/volume-operations';
import { OperationRegistry } from '@corral/operation/operation-registry';

export interface CrashPoint {
  readonly kind: string;
  readonly step: string;
  readonly phase: 'before' | 'after-run' | 'after';
}

/** Every point, not one of each step: `npm run test:crash`. */
export const all = process.env['CORRAL_TEST_ALL'] === '1';
/** The same slice each time, so that a failure is one of the change; another by CORRAL_TEST_SEED, all by `test:crash`. */
export const seed = Number(process.env['CORRAL_TEST_SEED'] ?? 21);

/** As faults name it. */
export function nameOf({ kind, step, phase }: CrashPoint): string {
  return `${kind}/${step}/${phase}`;
}

const phases = ['before', 'after-run', 'after'] as const;

/** Definitions do nothing until they run, so the registry can be read without a host. */
export function registry(): OperationRegistry {
  const vms = vmOperations({} as VmHost);
  const checkpoints = checkpointOperations({} as VmHost);
  const register = vmRegister({} as VmHost);
  const images = imageOperations({} as ImageHost);
  const autostop = hostAutostop({} as VmHost, {} as AutostopActions);
  const backups = { host: {} } as BackupHost;
  const repositories = repositoryOperations({} as RepositoryHost);
  const volumes = volumeOperations({ volumes: {} } as VolumeHost);
  return new OperationRegistry([
    ...Object.values(vms),
    ...Object.values(checkpoints),
    register,
    ...Object.values(images),
    ...Object.values(volumes),
    ...Object.values(repositories),
    vmFork({} as VmHost),
    backupRun(backups),
    ...Object.values(restoreOperations({} as RestoreHost)),
    backupDelete({} as RepositoryConnections),
    referenceCreate({} as VmHost),
    referenceDelete({} as VmHost),
    changesOpen({} as ChangesHost),
    changesClose({} as ChangesHost),
    vmExport({ host: {} } as ExportHost),
    vmMerge({} as VmHost, {} as MergeOptions),
    autostop,
  ]);
}

/** Every phase with `all`, else one, chosen by the number. */
export function phasesOf(all: boolean, number: number): readonly CrashPoint['phase'][] {
  return all ? phases : [phases[number % phases.length]!];
}

/** Every point with `all`; else one of each step, the phase chosen by the seed. */
export function crashPoints(all: boolean, seed: number): CrashPoint[] {
  return registry()
    .steps()
    .flatMap(({ kind, step }, index) => phasesOf(all, index + seed).map((phase) => ({ kind, step, phase })));
}
