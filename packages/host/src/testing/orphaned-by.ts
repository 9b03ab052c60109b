/** What a test takes away when something lets go of a chain, as the host's deletions do. */
import type { DiskLayer } from '@corral/api/schemas/vm-settings';
import type { Chain } from '../chain/chain.ts';
import type { ChainHolder } from '../chain/layer-forest.ts';

/** Layers that nothing holds any more, when `gone` lets go: their files can be deleted. Shared ones stay. */
export function orphanedBy(gone: Chain, holders: readonly ChainHolder[]): DiskLayer[] {
  const held = new Set(holders.flatMap(({ chain }) => chain.map(({ id }) => id)));
  return gone.filter((layer) => !layer.shared && !held.has(layer.id));
}
