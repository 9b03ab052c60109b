/**
 * Copies a chain of foreign files layer by layer (docs/design/0014-foreign-chains.md). Foreign bytes meet only our own
 * parsers (invariant 5); what they hold is written anew.
 */
import { basename } from 'node:path';
import { ChainDisk } from '@corral/disk/chain-disk';
import type { ProgressOptions } from '@corral/disk/disk';
import { driverOf } from '@corral/disk/drivers';
import { openForeign } from '@corral/disk/inspect-foreign';
import { convertChain } from '@corral/disk/verbs/convert-disk';
import { vmErrors } from '../errors.ts';
import type { DiskMaking } from './disk-files.ts';
import { wholeSectors } from './plan-kept-chains.ts';

type ChainMaking = Extract<DiskMaking, { kind: 'chain' }>;

/** The files that were planned for, topmost first. @throws vm.source-changed; what `openForeign` throws */
export async function openKeptChain(making: ChainMaking, signal: AbortSignal): Promise<ChainDisk> {
  const { source, sourceFormat: format, files } = making;
  const chain = await openForeign(source, { format, provedParents: true, namedParents: true, signal });
  const same =
    chain.layers.length === files.length &&
    chain.layers.every(
      ({ path, disk }, index) =>
        path === files[index]!.path && disk.info.sizeBytes === files[index]!.sizeBytes,
    );
  if (same) return chain;
  await chain.close();
  throw vmErrors['source-changed']({ path: source });
}

export interface CopyLayerOptions extends ProgressOptions {
  /** Of the new file: what its name will be, and that of the one below; null for the lowest. */
  readonly below: string | null;
  /** Of the new disk, if that is larger than the layer. */
  readonly sizeBytes: number;
}

/**
 * One layer as a qcow2 of its own: the lowest with all it holds, any other as an overlay with exactly what its file
 * holds. Where that has sectors of a subcluster only, the others come from below: the same bytes, seen from above.
 */
export async function copyLayer(
  chain: ChainDisk,
  level: number,
  target: string,
  { below, sizeBytes, ...progress }: CopyLayerOptions,
): Promise<void> {
  // Never closed: its files are those of `chain`.
  const seen = new ChainDisk(chain.layers.slice(level));
  const made = await convertChain(seen, target, {
    format: 'qcow2',
    extendedL2: true,
    // For other programs; Corral follows its own record (invariant 9).
    ...(below === null
      ? {}
      : { parent: { format: 'qcow2', paths: [{ kind: 'relative', path: basename(below) }] } }),
    ...progress,
  });
  if (made.sizeBytes >= sizeBytes) return;
  const parentBytes = wholeSectors(chain.layers[level + 1]?.disk.info.sizeBytes ?? 0);
  await driverOf('qcow2').resize(target, sizeBytes, { signal: progress.signal, parentBytes });
}
