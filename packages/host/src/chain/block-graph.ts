/** Which block node lies on which in a running QEMU. Pure readings of `x-debug-query-block-graph`. */
import type { BlockGraph } from '@corral/qmp/commands/block';

/** The node below `name`, filters of jobs passed through; null if it has none or is not there. */
export function backingOf(graph: BlockGraph, name: string): string | null {
  const layer = graph.nodes.find((node) => node.type === 'block-driver' && node.name === name);
  let below = layer && childOf(graph, layer.id, 'backing');
  // A commit's filter (`#block123`) stands between two layers while it works.
  while (below?.name.startsWith('#'))
    below = childOf(graph, below.id, 'backing') ?? childOf(graph, below.id, 'file');
  return below?.name ?? null;
}

/** Whether anything but the monitor uses the node: a device or a node above. */
export function isInUse(graph: BlockGraph, name: string): boolean {
  const node = graph.nodes.find((each) => each.type === 'block-driver' && each.name === name);
  return node !== undefined && graph.edges.some(({ child }) => child === node.id);
}

export function hasNode(graph: BlockGraph, name: string): boolean {
  return graph.nodes.some((node) => node.type === 'block-driver' && node.name === name);
}

function childOf(graph: BlockGraph, parent: number, role: string): BlockGraph['nodes'][number] | undefined {
  const edge = graph.edges.find((each) => each.parent === parent && each.name === role);
  return edge && graph.nodes.find(({ id }) => id === edge.child);
}
