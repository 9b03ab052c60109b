/** Which edges are worth keeping, and which must be written. Pure. */
import type { DiskLayer } from '@corral/api/schemas/vm-settings';
import { type ChainState, diskIdsOf, holdersOf } from '../chain/chain-records.ts';
import { layerForest } from '../chain/layer-forest.ts';
import { changeLinks } from './change-links.ts';
import type { EdgeRecord } from './edge-record.ts';

/** A layer and what lies below it, which are about to be one or to be gone. */
export interface LayerPair {
  readonly lower: DiskLayer;
  readonly upper: DiskLayer;
}

/** Pairs whose upper layer goes away, or is merged down, with all that is needed to follow changes across them. */
export function pairsAbove(state: ChainState, diskId: string, layerIds: ReadonlySet<string>): LayerPair[] {
  const forest = layerForest(holdersOf(state, diskId));
  return [...forest.values()].flatMap(({ layer, parentId }) =>
    parentId !== null && layerIds.has(layer.id) ? [{ upper: layer, lower: forest.get(parentId)!.layer }] : [],
  );
}

/**
 * The edges without those that lead nowhere: at one end a state that no layer holds and no reference point names, and
 * nothing beyond it.
 */
export function neededEdges(state: ChainState): EdgeRecord[] {
  const diskIds = new Set([...diskIdsOf(state), ...state.edges.map(({ diskId }) => diskId)]);
  return [...diskIds].flatMap((diskId) => neededOfDisk(state, diskId));
}

function neededOfDisk(state: ChainState, diskId: string): EdgeRecord[] {
  const referenced = state.references.flatMap(({ disks }) =>
    disks.filter((disk) => disk.diskId === diskId).map(({ stateId }) => stateId),
  );
  if (referenced.length === 0) return [];
  const kept = new Set([...referenced, ...layerForest(holdersOf(state, diskId)).keys()]);
  let edges = state.edges.filter((edge) => edge.diskId === diskId);
  for (;;) {
    const neighbours = neighboursIn(edges);
    const leadsOn = (id: string): boolean => kept.has(id) || neighbours.get(id)!.size > 1;
    const rest = edges.filter(({ from, to }) => leadsOn(from) && leadsOn(to));
    if (rest.length === edges.length) return edges;
    edges = rest;
  }
}

/** Two edges may join the same two states, written at different times. */
function neighboursIn(
  edges: readonly { readonly from: string; readonly to: string }[],
): ReadonlyMap<string, ReadonlySet<string>> {
  const neighbours = new Map<string, Set<string>>();
  const add = (id: string, other: string): void => {
    neighbours.set(id, (neighbours.get(id) ?? new Set()).add(other));
  };
  for (const { from, to } of edges) {
    add(from, to);
    add(to, from);
  }
  return neighbours;
}

/** Of what a merge or a deletion makes unreadable: what a reference point may need. */
export function pairsToSave(state: ChainState, diskId: string, pairs: readonly LayerPair[]): LayerPair[] {
  if (!state.references.some(({ disks }) => disks.some((disk) => disk.diskId === diskId))) return [];
  const saved = new Set(
    state.edges.filter((edge) => edge.diskId === diskId).map(({ from, to }) => `${from} ${to}`),
  );
  return pairs.filter(({ lower, upper }) => !saved.has(`${lower.id} ${upper.id}`));
}

/** Two edges that meet in a state which nobody asks for any more can be one. */
export function edgesToJoin(state: ChainState, diskId: string): [EdgeRecord, EdgeRecord] | null {
  const links = changeLinks(state, diskId);
  const kept = new Set([
    ...state.references.flatMap(({ disks }) => disks.map(({ stateId }) => stateId)),
    ...layerForest(holdersOf(state, diskId)).keys(),
  ]);
  const middles = new Set(links.flatMap(({ from, to }) => [from, to]).filter((id) => !kept.has(id)));
  const neighbours = neighboursIn(links);
  for (const id of middles) {
    const [one, other, ...more] = links.filter(({ from, to }) => from === id || to === id);
    if (more.length > 0 || one?.source.kind !== 'edge' || other?.source.kind !== 'edge') continue;
    if (neighbours.get(id)!.size < 2) continue;
    return [one.source.edge, other.source.edge];
  }
  return null;
}
