/**
 * Which states of a disk are known to differ only here and there (docs/design/0009-change-tracking.md). Pure.
 *
 * A link between two states says: they are equal outside of its extents, a disk being zeros behind its end. That holds
 * both ways, so from one state to another any way over links leads to an answer: the union of their extents.
 *
 * - of a layer: the state below it and its own, as far as its file has anything allocated
 * - of an edge: the same, written down before the layer was merged or deleted
 */
import type { DiskLayer } from '@corral/api/schemas/vm-settings';
import { type ChainState, holdersOf } from '../chain/chain-records.ts';
import { type LayerNode, layerForest } from '../chain/layer-forest.ts';
import type { EdgeRecord } from './edge-record.ts';

export interface ChangeLink {
  /** The older state. */
  readonly from: string;
  readonly to: string;
  readonly source:
    | { readonly kind: 'layer'; readonly layer: DiskLayer }
    | { readonly kind: 'edge'; readonly edge: EdgeRecord };
}

/**
 * Every link of the disk that can be read now. A layer that is written to, by the guest or by a merge, is none;
 * where an edge says the same, the edge is taken.
 */
export function changeLinks(state: ChainState, diskId: string): ChangeLink[] {
  const links: ChangeLink[] = state.edges
    .filter((edge) => edge.diskId === diskId)
    .map((edge) => ({ from: edge.from, to: edge.to, source: { kind: 'edge', edge } }));
  const known = new Set(links.map(({ from, to }) => `${from} ${to}`));
  const forest = layerForest(holdersOf(state, diskId));
  for (const [id, { layer, parentId }] of forest) {
    if (parentId === null || !isStill(forest, id) || known.has(`${parentId} ${id}`)) continue;
    links.push({ from: parentId, to: id, source: { kind: 'layer', layer } });
  }
  return links;
}

/**
 * Whether what the layer has allocated stays as it is. One that lies on the upper layer of a merge has no seal, since QEMU
 * writes its header at the end of that (docs/design/0006-disk-chains.md), and nothing else.
 */
export function isStill(forest: ReadonlyMap<string, LayerNode>, id: string): boolean {
  const { layer, parentId, present } = forest.get(id)!;
  if (layer.seal !== null) return true;
  const below = parentId === null ? null : (forest.get(parentId)?.parentId ?? null);
  const lower = below === null ? undefined : forest.get(below)?.layer;
  return !present && lower !== undefined && lower.seal === null && lower.point === undefined;
}

/** The way with the fewest bytes, as far as they are known; null where none leads there. */
export function pathBetween(
  links: readonly ChangeLink[],
  from: string,
  to: string,
): readonly ChangeLink[] | null {
  const neighbours = Map.groupBy(
    links.flatMap((link) => [
      { at: link.from, next: link.to, link },
      { at: link.to, next: link.from, link },
    ]),
    ({ at }) => at,
  );
  const best = new Map<string, { cost: number; way: readonly ChangeLink[] }>([[from, { cost: 0, way: [] }]]);
  const done = new Set<string>();
  for (;;) {
    const open = [...best].filter(([id]) => !done.has(id));
    if (open.length === 0) return null;
    const [id, { cost, way }] = open.reduce((a, b) => (b[1].cost < a[1].cost ? b : a));
    if (id === to) return way;
    done.add(id);
    for (const { next, link } of neighbours.get(id) ?? []) {
      const nextCost = cost + costOf(link);
      if (nextCost < (best.get(next)?.cost ?? Number.POSITIVE_INFINITY)) {
        best.set(next, { cost: nextCost, way: [...way, link] });
      }
    }
  }
}

/** A layer's file is a little longer than what it has allocated. */
function costOf({ source }: ChangeLink): number {
  return source.kind === 'edge' ? source.edge.changedBytes : (source.layer.seal?.lengthBytes ?? 0);
}
