/** What chains and checkpoints know of a VM's files, for `volume check`. */
import { stat } from 'node:fs/promises';
import type { DiskLayer } from '@corral/api/schemas/vm-settings';
import type { VolumeFinding } from '@corral/api/schemas/volume';
import { isCorralError } from '@corral/core/errors';
import { type ChainRecords, type ChainState, diskIdsOf, holdersOf } from '../chain/chain-records.ts';
import { topSeal } from '../chain/resting-tops.ts';
import { brokenSeal } from '../chain/seal.ts';
import { checkpointPaths } from '../checkpoint/checkpoint-files.ts';
import type { CheckpointRecord } from '../checkpoint/checkpoint-record.ts';
import type { DataDirectory } from '../data-directory.ts';
import type { VmInspector } from './check-volume.ts';
import { realPlace } from './placement.ts';

interface HeldLayer {
  /** Name of the disk that it is a layer of. */
  readonly disk: string;
  /** In whose chain it is: `the present`, `checkpoint "c"`. */
  readonly holders: readonly string[];
  readonly layer: DiskLayer;
}

export function chainInspector(directory: DataDirectory, chains: ChainRecords): VmInspector {
  return {
    filesOf: async ({ settings: { id } }) => {
      const state = await chains.read(id).catch((cause: unknown) => {
        if (!isCorralError(cause, 'vm.not-found')) throw cause;
        return null;
      });
      // Deleted meanwhile: with it went its files.
      if (!state) return [];
      const layers = diskIdsOf(state).flatMap((disk) => holdersOf(state, disk).flatMap(({ chain }) => chain));
      const paths = new Set(layers.map(({ path }) => directory.resolveInVm(id, path)));
      return Promise.all([...paths].map((path) => realPlace(directory, path)));
    },
    findings: async ({ settings: { id } }) => {
      const find = async (): Promise<VolumeFinding[]> => {
        const state = await chains.read(id);
        return [...(await brokenLayers(directory, state)), ...(await brokenMemory(directory, state))];
      };
      const found = await find();
      // A merge may have taken a layer away between the record and the look: then it is in the next record no more.
      return found.length > 0 ? find() : found;
    },
  };
}

async function brokenLayers(directory: DataDirectory, state: ChainState): Promise<VolumeFinding[]> {
  const { settings } = state.vm;
  const findings: VolumeFinding[] = [];
  for (const { disk, holders, layer } of sealedLayers(state)) {
    const path = directory.resolveInVm(settings.id, layer.path);
    const reason = await brokenSeal(path, layer.seal);
    if (reason === null) continue;
    findings.push({
      problem: reason === 'the file is missing' ? 'missing' : 'altered',
      severity: 'error',
      path: await realPlace(directory, path),
      vm: settings.name,
      disk,
      detail: `${sentence(holders.join(', '))} needs it, and is refused: ${reason}.`,
    });
  }
  return findings;
}

/** Each once, of whatever holds a chain: the present, checkpoints, whoever reads. The top ones of a VM that rests too. Pure. */
export function sealedLayers(state: ChainState): HeldLayer[] {
  const { vm } = state;
  const found = new Map<string, HeldLayer>();
  for (const diskId of diskIdsOf(state)) {
    const settings = [state.vm.settings, ...state.checkpoints.map((checkpoint) => checkpoint.settings)];
    const disk = settings.flatMap(({ disks }) => disks).find(({ id }) => id === diskId)?.name ?? diskId;
    const top = vm.settings.disks.find(({ id }) => id === diskId);
    for (const { name, needs, chain } of holdersOf(state, diskId)) {
      const seal = needs === 'present' && top ? topSeal(vm, top) : null;
      const still =
        needs === 'present' ? [...(seal ? [{ ...chain[0]!, seal }] : []), ...chain.slice(1)] : chain;
      for (const layer of still) {
        if (layer.point) continue;
        const holders = [...(found.get(layer.path)?.holders ?? []), name];
        found.set(layer.path, { disk, holders, layer });
      }
    }
  }
  return [...found.values()];
}

/** Looked at, not read: reading it all is what applying the checkpoint does. */
async function brokenMemory(
  directory: DataDirectory,
  { checkpoints, vm: { settings } }: ChainState,
): Promise<VolumeFinding[]> {
  const findings: VolumeFinding[] = [];
  for (const checkpoint of checkpoints) {
    const { memory: path } = checkpointPaths(directory, settings.id, checkpoint.id);
    const finding = await memoryFinding(path, checkpoint);
    const place = { path: await realPlace(directory, path), vm: settings.name, disk: null };
    if (finding) findings.push({ ...finding, ...place, severity: 'error' });
  }
  return findings;
}

async function memoryFinding(
  path: string,
  { name, memory }: CheckpointRecord,
): Promise<Pick<VolumeFinding, 'problem' | 'detail'> | null> {
  if (!memory) return null;
  try {
    const { size } = await stat(path);
    if (size === memory.sizeBytes) return null;
    const lengths = `it is ${size} bytes long, not ${memory.sizeBytes}`;
    return { problem: 'altered', detail: `Checkpoint "${name}" cannot be applied: ${lengths}.` };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    return { problem: 'missing', detail: `Checkpoint "${name}" cannot be applied: its memory is missing.` };
  }
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
