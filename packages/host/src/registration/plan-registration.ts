/** From what lies in a folder to the records of a VM. Pure: ids and addresses come in. */
import type { VmRegister } from '@corral/api/schemas/registration';
import type { VmSettings } from '@corral/api/schemas/vm-settings';
import type { CheckpointRecord } from '../checkpoint/checkpoint-record.ts';
import type { SavedMemory } from '../vm/vm-record.ts';
import { keepsMemory, switched } from './judge-registration.ts';
import type { Registrable } from './read-registrable.ts';

export interface IdFacts {
  readonly newId: () => string;
  readonly newMac: () => string;
}

export interface RegistrationPlan {
  readonly settings: VmSettings;
  readonly checkpoints: CheckpointRecord[];
  readonly checkpointId: string | null;
  readonly saved: SavedMemory | null;
}

type Rename = (vm: VmSettings) => VmSettings;

export function planRegistration(found: Registrable, request: VmRegister, facts: IdFacts): RegistrationPlan {
  const identity = identityOf(found.settings, request, facts);
  // A checkpoint that is applied later must find the networks of this host, too.
  const settled: Rename = (vm) => identity(switched(vm, request.switches));
  const settings = settled(found.settings);
  const ids = new Set(found.checkpoints.map(({ checkpoint }) => checkpoint.id));
  const checkpoints = found.checkpoints.map(({ checkpoint }) => {
    const kept = keepsMemory(checkpoint.memory, request) ? checkpoint : withoutMemory(checkpoint);
    const memory = kept.memory && { ...kept.memory, applied: settled(kept.memory.applied) };
    const parentId = ids.has(kept.parentId ?? '') ? kept.parentId : null;
    return { ...kept, parentId, vmId: settings.id, settings: settled(kept.settings), memory };
  });
  const memory = found.export?.memory ?? null;
  const saved = keepsMemory(memory, request) ? memory : null;
  return {
    settings: {
      ...settings,
      generation: settings.generation + 1,
      generationId: facts.newId(),
      autostart: request.newId ? null : settings.autostart,
    },
    checkpoints,
    checkpointId: found.checkpoints.find(({ current }) => current)?.checkpoint.id ?? null,
    saved: saved && { ...saved, applied: settled(saved.applied) },
  };
}

/** With a new id nothing that identifies the first VM is seen twice. The same VM gets the same everywhere. */
function identityOf(original: VmSettings, { newId, name }: VmRegister, facts: IdFacts): Rename {
  const called = name ?? original.name;
  const id = newId ? facts.newId() : original.id;
  // Neither the image nor the ISO of its old host is here: its disks stand on their own.
  const settled: Rename = (vm) => ({
    ...vm,
    id,
    name: called,
    iso: null,
    image: null,
    bootOrder: vm.bootOrder.filter((device) => device !== 'cdrom'),
  });
  if (!newId) return settled;
  const ids = new Map<string, string>();
  const macs = new Map<string, string>();
  const fresh = (map: Map<string, string>, key: string, make: () => string): string => {
    const known = map.get(key) ?? make();
    map.set(key, known);
    return known;
  };
  return (vm) => ({
    ...settled(vm),
    ports: vm.ports.map((port) => ({
      ...port,
      id: fresh(ids, port.id, facts.newId),
      mac: fresh(macs, port.mac, facts.newMac),
    })),
  });
}

function withoutMemory(checkpoint: CheckpointRecord): CheckpointRecord {
  if (!checkpoint.memory) return checkpoint;
  const reason = 'its memory belonged to the VM that this one was registered from';
  return { ...checkpoint, memory: null, state: 'off', consistency: 'crash', reason };
}
