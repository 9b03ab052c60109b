/**
 * What checkpoints cost a guest: how long it stands still, beside the same commands sent by a bare script and beside
 * stop-and-save; how fast layers are merged, beside `qemu-img commit`; and how long its writes stall meanwhile.
 * `node bench/checkpoint/main.ts [--runs 3] [--memory 256MiB] [--merge 512MiB] [--only pauses|merges]`, as root.
 */
import { parseArgs } from 'node:util';
import { parseSize } from '@corral/core/units';
import { compareMerge, stallsOfLiveMerge } from './merges.ts';
import { comparePauses } from './pauses.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '3' },
    memory: { type: 'string', default: '256MiB' },
    merge: { type: 'string', default: '512MiB' },
    only: { type: 'string' },
  },
});
const { memory, only } = values;
const runs = Number(values.runs);

if (only !== 'merges') {
  await comparePauses('idle', { memory, runs });
  await comparePauses('dirtying', { memory, runs });
}
if (only !== 'pauses') {
  await compareMerge(parseSize(values.merge), runs);
  await stallsOfLiveMerge();
}
