/**
 * Writes down what changed between two states before a merge, or a deletion, makes it unreadable. Repeatable: what
 * is recorded is not read again, since a merge may have begun to write to the file that said it.
 */
import { isCorralError } from '@corral/core/errors';
import { derivedId } from '@corral/core/ids';
import type { Range } from '@corral/disk/disk';
import type { Merge } from '../chain/chain.ts';
import type { ChainRecords, ChainState } from '../chain/chain-records.ts';
import { diskIdsOf, holdersOf } from '../chain/chain-records.ts';
import { type LayerNode, layerForest, sealedAbove } from '../chain/layer-forest.ts';
import type { DataDirectory } from '../data-directory.ts';
import { removeWhole } from '../storage/whole-files.ts';
import { isStill } from './change-links.ts';
import type { EdgeRecord } from './edge-record.ts';
import { readExtentsFile, writeExtentsFile } from './extents-file.ts';
import { layerAllocation } from './layer-allocation.ts';
import { edgesToJoin, type LayerPair, neededEdges, pairsAbove, pairsToSave } from './needed-edges.ts';
import { bytesOf, unionOf } from './ranges.ts';

export interface TrackingHost {
  readonly chainRecords: ChainRecords;
  readonly directory: DataDirectory;
}

/**
 * Before `merge` is carried out: the changes of both layers and of what lies on them, as far as a reference point may need
 * them. While it runs none of their files can be relied on.
 */
export async function saveChanges(
  host: TrackingHost,
  vmId: string,
  diskId: string,
  merge: Merge,
  signal: AbortSignal,
): Promise<void> {
  // The lower one has no seal any more, but nothing was written to it yet: or its edge is recorded, and not read again.
  const state = await host.chainRecords.read(vmId);
  const above = sealedAbove(holdersOf(state, diskId), merge.upper.id).map(({ id }) => id);
  const ids = new Set([merge.upper.id, merge.lower.id, ...above]);
  await save(host, vmId, diskId, ids, () => true, signal);
}

/** Before the files of `layerIds` are deleted. */
export async function saveChangesOf(
  host: TrackingHost,
  vmId: string,
  diskId: string,
  layerIds: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<void> {
  // The layer that the present writes to goes away as it is: no reference point can name it.
  await save(host, vmId, diskId, layerIds, ({ upper }, forest) => isStill(forest, upper.id), signal);
}

/**
 * Before holders of chains go away, and with them the layers that nobody else holds: an applied checkpoint's abandoned
 * present, a deleted branch.
 *
 * @param after the state as it will be
 */
export async function saveVanishing(
  host: TrackingHost,
  vmId: string,
  after: (state: ChainState) => ChainState,
  signal: AbortSignal,
): Promise<void> {
  const state = await host.chainRecords.read(vmId);
  if (state.references.length === 0) return;
  const later = after(state);
  for (const diskId of diskIdsOf(state)) {
    const stay = layerForest(holdersOf(later, diskId));
    const going = [...layerForest(holdersOf(state, diskId)).keys()].filter((id) => !stay.has(id));
    await saveChangesOf(host, vmId, diskId, new Set(going), signal);
  }
}

/** Without the present's chains: as if all its disks were thrown away. Pure. */
export function withoutPresent(state: ChainState): ChainState {
  return { ...state, vm: { ...state.vm, settings: { ...state.vm.settings, disks: [] } } };
}

async function save(
  host: TrackingHost,
  vmId: string,
  diskId: string,
  layerIds: ReadonlySet<string>,
  canRead: (pair: LayerPair, forest: ReadonlyMap<string, LayerNode>) => boolean,
  signal: AbortSignal,
): Promise<void> {
  const state = await host.chainRecords.read(vmId);
  const forest = layerForest(holdersOf(state, diskId));
  const pairs = pairsToSave(state, diskId, pairsAbove(state, diskId, layerIds));
  const edges: EdgeRecord[] = [];
  for (const pair of pairs.filter((each) => canRead(each, forest)))
    edges.push(await saveEdge(host, vmId, diskId, pair, signal));
  if (edges.length > 0) await host.chainRecords.change(vmId, (before) => withEdges(before, edges));
}

async function saveEdge(
  host: TrackingHost,
  vmId: string,
  diskId: string,
  { lower, upper }: LayerPair,
  signal: AbortSignal,
): Promise<EdgeRecord> {
  const ranges = await layerAllocation(host.directory, vmId, upper, signal);
  return writeEdge(host, vmId, { diskId, from: lower.id, to: upper.id, ranges });
}

async function writeEdge(
  host: TrackingHost,
  vmId: string,
  edge: Pick<EdgeRecord, 'diskId' | 'from' | 'to'> & { readonly ranges: ReturnType<typeof unionOf> },
): Promise<EdgeRecord> {
  const { diskId, from, to, ranges } = edge;
  const path = `changes/${diskId}/${from}-${to}.extents`;
  await writeExtentsFile(host.directory.resolveInVm(vmId, path), { from, to, ranges });
  const id = derivedId(`change-edge/${diskId}/${from}/${to}`);
  return { id, vmId, diskId, from, to, path, changedBytes: bytesOf(ranges) };
}

function withEdges(state: ChainState, edges: readonly EdgeRecord[]): ChainState {
  const ids = new Set(edges.map(({ id }) => id));
  return { ...state, edges: [...state.edges.filter(({ id }) => !ids.has(id)), ...edges] };
}

/**
 * Forgets what no reference point can ask for any more, and makes one of two edges where a state between them is
 * not asked for: so their number follows that of the reference points, not that of the backups. To be called when a
 * reference point has gone. Repeatable.
 */
export async function tidyEdges(host: TrackingHost, vmId: string, signal: AbortSignal): Promise<void> {
  await forget(host, vmId, (state) => neededEdges(state));
  for (;;) {
    signal.throwIfAborted();
    const state = await host.chainRecords.read(vmId);
    const pair = diskIdsOf(state)
      .map((diskId) => edgesToJoin(state, diskId))
      .find((found) => found !== null);
    if (!pair) return;
    const [lower, upper] = pair;
    const [below, above] = [await rangesOf(host, vmId, lower), await rangesOf(host, vmId, upper)];
    const damaged = [below === null ? [lower.id] : [], above === null ? [upper.id] : []].flat();
    if (!below || !above) {
      // It says nothing any more: what changed across it is not known, and whoever asks reads the whole disk.
      await forget(host, vmId, ({ edges }) => edges.filter(({ id }) => !damaged.includes(id)));
      continue;
    }
    const ranges = unionOf([...below, ...above]);
    const ends = [lower.from, lower.to, upper.from, upper.to];
    const [from, to] = ends.filter((id) => ends.filter((other) => other === id).length === 1);
    const joined = await writeEdge(host, vmId, { diskId: lower.diskId, from: from!, to: to!, ranges });
    await forget(host, vmId, ({ edges }) => [
      ...edges.filter(({ id }) => id !== lower.id && id !== upper.id && id !== joined.id),
      joined,
    ]);
  }
}

/** Null: its file is damaged. */
async function rangesOf(host: TrackingHost, vmId: string, edge: EdgeRecord): Promise<Range[] | null> {
  try {
    return await readExtentsFile(host.directory.resolveInVm(vmId, edge.path), edge);
  } catch (cause) {
    if (isCorralError(cause, 'tracking.extents-damaged')) return null;
    throw cause;
  }
}

/** The files go after the record has let go of them. */
async function forget(
  host: TrackingHost,
  vmId: string,
  keep: (state: ChainState) => EdgeRecord[],
): Promise<void> {
  let gone: readonly EdgeRecord[] = [];
  await host.chainRecords.change(vmId, (state) => {
    const edges = keep(state);
    const paths = new Set(edges.map(({ path }) => path));
    gone = state.edges.filter(({ path }) => !paths.has(path));
    return { ...state, edges };
  });
  for (const { path } of gone) await removeWhole(host.directory.resolveInVm(vmId, path));
}
