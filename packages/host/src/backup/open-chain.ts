/** Opens a sealed chain as the one disk that it makes, by the record and never by what a header says (invariant 9). */

import type { ChainLayer } from '@corral/disk/chain';
import { ChainDisk } from '@corral/disk/chain-disk';
import { openLayer } from '@corral/disk/drivers';
import type { Chain } from '../chain/chain.ts';
import type { DataDirectory } from '../data-directory.ts';

/** Top first. Read-only; closing it closes the layers. */
export async function openChainOf(
  directory: DataDirectory,
  vmId: string,
  chain: Chain,
  signal: AbortSignal,
): Promise<ChainDisk> {
  await using opened = new AsyncDisposableStack();
  const layers: ChainLayer[] = [];
  for (const { format, path } of chain) {
    const file = directory.resolveInVm(vmId, path);
    layers.push({ disk: opened.use(await openLayer(file, { readOnly: true, format, signal })), path: file });
  }
  const disk = new ChainDisk(layers);
  opened.move();
  return disk;
}
