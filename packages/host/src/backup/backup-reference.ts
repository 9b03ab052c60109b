/** The reference point that a backup leaves for the next one to the same repository. Pure. */
import { derivedId } from '@corral/core/ids';
import type { ChainState } from '../chain/chain-records.ts';
import type { PinRecord } from '../chain/pin-record.ts';
import type { ReferenceRecord } from '../tracking/reference-record.ts';

export function backupReferenceId(vmId: string, repositoryId: string): string {
  return derivedId(`reference point of backups of ${vmId} to ${repositoryId}`);
}

export function backupReference(state: ChainState, repositoryId: string): ReferenceRecord | null {
  const id = backupReferenceId(state.vm.settings.id, repositoryId);
  return state.references.find((reference) => reference.id === id) ?? null;
}

/** The next backup counts from where this one's pin stands. Repeatable. */
export function withBackupDone(
  state: ChainState,
  pin: PinRecord,
  backup: { readonly repositoryId: string; readonly repositoryName: string; readonly pointId: string },
  tracked: boolean,
): ChainState {
  const { repositoryId, pointId } = backup;
  const id = backupReferenceId(pin.vmId, repositoryId);
  const others = state.references.filter((reference) => reference.id !== id);
  const reference: ReferenceRecord = {
    id,
    vmId: pin.vmId,
    name: `backup.${backup.repositoryName}`,
    createdAt: pin.createdAt,
    backup: { repositoryId, pointId },
    disks: pin.disks.map(({ diskId, name, sizeBytes, chain }) => ({
      diskId,
      name,
      sizeBytes,
      stateId: chain[0]!.id,
    })),
  };
  return {
    ...state,
    references: tracked ? [...others, reference] : others,
  };
}
