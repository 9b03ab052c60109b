/**
 * What becomes of the chains of foreign files whose states the new VM keeps (docs/design/0014-foreign-chains.md): one
 * layer of ours for each file, the topmost written to, and a checkpoint for each state below it. Pure.
 *
 *   b.avhdx   ← level 0   the present
 *   a.avhdx   ← level 1   checkpoint "a", current
 *   base.vhdx ← level 2   checkpoint "base", a root of the tree
 */
import { basename } from 'node:path';
import type { DiskLayer, DiskSettings, VmSettings } from '@corral/api/schemas/vm-settings';
import { isId } from '@corral/core/ids';
import { z } from 'zod';
import { chainOf, overlayPath, withChain } from '../chain/chain.ts';
import type { CheckpointRecord } from '../checkpoint/checkpoint-record.ts';
import { vmErrors } from '../errors.ts';
import type { DiskMaking } from './disk-files.ts';
import type { PlanFacts, VmPlan } from './plan-vm.ts';

/** A file of a foreign chain. */
export interface SourceLayer {
  readonly path: string;
  readonly sizeBytes: number;
  /** When it was written to last. */
  readonly modifiedAt: string;
  /** When it was put on its parent, if its format says so. */
  readonly createdAt: string | null;
}

/** A state below the present that gets a name. */
export const KeptCheckpoint = z.strictObject({ id: z.string(), name: z.string(), createdAt: z.string() });
export type KeptCheckpoint = z.infer<typeof KeptCheckpoint>;

type ChainMaking = Extract<DiskMaking, { kind: 'chain' }>;
type Makings = Readonly<Record<string, DiskMaking>>;

/**
 * The plan of a VM with each of its disks as a chain, and checkpoints, oldest first.
 *
 * @throws vm.nothing-to-keep, vm.chains-differ, vm.bad-disk
 */
export function keepChains(plan: VmPlan, facts: PlanFacts): VmPlan {
  const { settings } = plan;
  const chains = settings.disks.map((disk) => ({ disk, layers: layersOf(plan, disk, facts) }));
  requireSameDepth(settings.name, chains);
  const kept = chains.map(({ disk, layers }) => keepChain(disk, plan.makings[disk.name]!, layers, facts));
  return {
    ...plan,
    settings: { ...settings, disks: kept.map(({ disk }) => disk) },
    makings: Object.fromEntries(kept.map(({ disk, making }) => [disk.name, making])),
    checkpoints: keptCheckpoints(
      chains.map(({ layers }) => layers),
      facts,
    ),
  };
}

/** Topmost first; none of a disk that does not come from a file. */
function layersOf(
  { makings }: VmPlan,
  { name }: DiskSettings,
  { sources }: PlanFacts,
): readonly SourceLayer[] {
  const making = makings[name]!;
  return making.kind === 'import' ? (sources.get(making.source)?.layers ?? []) : [];
}

function requireSameDepth(
  vm: string,
  chains: readonly { readonly disk: DiskSettings; readonly layers: readonly SourceLayer[] }[],
): void {
  const depths = chains.map(({ layers }) => layers.length);
  if (depths.every((depth) => depth < 2)) throw vmErrors['nothing-to-keep']({ vm });
  if (new Set(depths).size === 1) return;
  const disks = chains.map(({ disk, layers }) => {
    if (layers.length === 0) return `disk "${disk.name}" comes from none`;
    return `disk "${disk.name}" comes from ${layers.length}`;
  });
  throw vmErrors['chains-differ']({ vm, disks });
}

function keepChain(
  disk: DiskSettings,
  making: DiskMaking,
  layers: readonly SourceLayer[],
  { newId }: PlanFacts,
): { readonly disk: DiskSettings; readonly making: ChainMaking } {
  const bad = (reason: string): Error => vmErrors['bad-disk']({ disk: disk.name, reason });
  if (making.kind !== 'import') throw bad('it comes from no file.');
  if (disk.format === 'raw') throw bad('a disk whose checkpoints are kept is qcow2, not raw.');
  for (const [index, layer] of layers.entries()) {
    const below = layers[index + 1];
    if (!below || layer.sizeBytes >= below.sizeBytes) continue;
    // A merge into the file below would give the state the longer file's end.
    throw bad(
      `${layer.path} is smaller than its parent ${below.path}, and such a state cannot be kept. Leave out --keep-checkpoints.`,
    );
  }
  const lowest = layers.length - 1;
  const chain = layers.map((_, level): DiskLayer => {
    const id = level === 0 ? disk.layerId : newId();
    const path = level === lowest ? disk.path : overlayPath(disk, id);
    return { id, format: 'qcow2', path, shared: false, seal: null };
  });
  const { source, sourceFormat } = making;
  const files = layers.map(({ path, sizeBytes }) => ({ path, sizeBytes }));
  return { disk: withChain(disk, chain), making: { kind: 'chain', source, sourceFormat, files } };
}

/** Named after the files of the first disk. */
function keptCheckpoints(
  chains: readonly (readonly SourceLayer[])[],
  { newId, now }: PlanFacts,
): KeptCheckpoint[] {
  const times = keptTimes(chains, now);
  const names = keptNames(chains[0]!.slice(1).map(({ path }) => path));
  return names.map((name, index) => ({ id: newId(), name, createdAt: times[index]! })).toReversed();
}

/**
 * When each state below the topmost was the present for the last time, nearest first: when the file above was put on
 * it, if that one knows; else when its own file was written to last. Files that were copied have younger times than
 * their states, never older ones, so no state is younger than one that stands on it.
 */
export function keptTimes(chains: readonly (readonly SourceLayer[])[], now: string): string[] {
  let bound = Date.parse(now);
  const depth = chains[0]!.length;
  return Array.from({ length: depth - 1 }, (_, index) => {
    const found = chains.map((layers) =>
      Date.parse(layers[index]!.createdAt ?? layers[index + 1]!.modifiedAt),
    );
    bound = Math.min(Math.max(...found), bound - 1);
    return new Date(bound).toISOString();
  });
}

const diskSuffix = /\.(?:a?vhdx?|qcow2?|raw|img)$/i;
const longestName = 63;

/** Of files, as far as names go: without the format, and with a number where two would have the same. */
export function keptNames(paths: readonly string[]): string[] {
  const names: string[] = [];
  for (const path of paths) {
    const base = nameOf(path);
    let name = base;
    for (let number = 2; names.includes(name); number += 1) {
      name = `${base.slice(0, longestName - String(number).length - 1)}-${number}`;
    }
    names.push(name);
  }
  return names;
}

function nameOf(path: string): string {
  const stem = basename(path).replace(diskSuffix, '');
  const name = stem
    .replaceAll(/[^A-Za-z0-9._]+/g, '-')
    .replaceAll(/^[^A-Za-z0-9]+|-$/g, '')
    .slice(0, longestName);
  if (name === '') return 'disk';
  // What is an id is no name.
  return isId(name.toLowerCase()) ? `disk-${name}` : name;
}

/**
 * The checkpoints as the store has them.
 *
 * @param settings of the present, its layers sealed
 * @param kept oldest first
 */
export function keptRecords(
  settings: VmSettings,
  makings: Makings,
  kept: readonly KeptCheckpoint[],
): CheckpointRecord[] {
  return kept.map(({ id, name, createdAt }, index) => {
    const states = settings.disks.map((disk) => stateOf(disk, makings, kept.length - index));
    const files = states.map(({ file }) => file);
    return {
      id,
      vmId: settings.id,
      name,
      createdAt,
      parentId: kept[index - 1]?.id ?? null,
      asked: 'production',
      type: 'production',
      consistency: 'crash',
      reason: `it was copied from ${files.join(', ')}, and a disk file does not say whether its guest was at rest`,
      state: 'off',
      pauseMs: null,
      settings: { ...settings, disks: states.map(({ disk }) => disk) },
      seals: Object.fromEntries(states.map(({ disk, seal }) => [disk.id, seal])),
      memory: null,
      warned: { old: false, large: false },
    };
  });
}

/** The disk as it was `level` files below the present. */
function stateOf(disk: DiskSettings, makings: Makings, level: number) {
  const { path, sizeBytes } = (makings[disk.name] as ChainMaking).files[level]!;
  const chain = chainOf(disk).slice(level);
  const state = { ...withChain(disk, chain), sizeBytes: wholeSectors(sizeBytes) };
  return { disk: state, seal: chain[0]!.seal, file: path };
}

const sectorBytes = 512;
export const wholeSectors = (bytes: number): number => Math.ceil(bytes / sectorBytes) * sectorBytes;
