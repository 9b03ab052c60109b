/** The tree of a disk's layers, as the chains of all that hold one of them say. Pure. */
import type { DiskLayer } from '@corral/api/schemas/vm-settings';
import { chainErrors } from '../errors.ts';
import type { Chain, Merge } from './chain.ts';

/** Who needs what of a chain. */
export interface ChainHolder {
  /** For people: `checkpoint "before the update"`. */
  readonly name: string;
  /**
   * - `present`: writes to the top layer
   * - `state`: needs what the disk held, in whatever files
   * - `files`: reads these very files; none of them may change or go
   */
  readonly needs: 'present' | 'state' | 'files';
  readonly chain: Chain;
}

export interface LayerNode {
  readonly layer: DiskLayer;
  readonly parentId: string | null;
  readonly children: ReadonlySet<string>;
  /** Some holder needs the state of this layer. */
  readonly needed: boolean;
  /** Written to by the present. */
  readonly present: boolean;
  /** Some holder needs the file. */
  readonly frozen: boolean;
}

interface Growing {
  layer: DiskLayer;
  parentId: string | null;
  readonly children: Set<string>;
  needed: boolean;
  present: boolean;
  frozen: boolean;
}

/** @throws chain.contradiction if two holders have different layers below the same one */
export function layerForest(holders: readonly ChainHolder[]): ReadonlyMap<string, LayerNode> {
  const nodes = new Map<string, Growing>();
  for (const { chain, needs, name } of holders) {
    for (const [index, layer] of chain.entries()) {
      const parentId = chain[index + 1]?.id ?? null;
      const node = nodes.get(layer.id) ?? newNode(layer, parentId);
      if (node.parentId !== parentId || node.layer.path !== layer.path) {
        throw chainErrors.contradiction({ holder: name, path: layer.path });
      }
      nodes.set(layer.id, node);
      if (index === 0) node[needs === 'present' ? 'present' : 'needed'] = true;
      if (needs === 'files') node.frozen = true;
    }
  }
  for (const [id, { parentId }] of nodes) if (parentId !== null) nodes.get(parentId)!.children.add(id);
  return nodes;
}

function newNode(layer: DiskLayer, parentId: string | null): Growing {
  return { layer, parentId, children: new Set(), needed: false, present: false, frozen: false };
}

export interface MergeConditions {
  /** The VM has a QEMU: its top layer is being written to. */
  readonly running: boolean;
  /** The VM has a reference point: what is written must stay apart from what was sealed. */
  readonly tracked: boolean;
}

/** What can be merged now, the lowest first: so each block is copied once. */
export function planMerges(holders: readonly ChainHolder[], conditions: MergeConditions): Merge[] {
  const nodes = layerForest(holders);
  const depth = (node: LayerNode): number =>
    node.parentId === null ? 0 : 1 + depth(nodes.get(node.parentId)!);
  return [...nodes.values()]
    .filter((node) => !node.layer.shared && !node.needed && !node.frozen && node.children.size === 1)
    .map((lower) => ({ lower, upper: nodes.get([...lower.children][0]!)! }))
    .filter(({ upper }) => !upper.frozen)
    .filter(({ upper }) => !upper.present || !(conditions.running || conditions.tracked))
    .sort((a, b) => depth(a.lower) - depth(b.lower))
    .map(({ upper, lower }) => ({ upper: upper.layer, lower: lower.layer }));
}

/**
 * Sealed layers that lie on `layerId`. QEMU writes their header when it commits the layer below them into the next one:
 * the name of the file below, which Corral never reads.
 */
export function sealedAbove(holders: readonly ChainHolder[], layerId: string): DiskLayer[] {
  return [...layerForest(holders).values()]
    .filter(({ parentId, present }) => parentId === layerId && !present)
    .map(({ layer }) => layer);
}
