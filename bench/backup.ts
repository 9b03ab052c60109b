/**
 * What a backup costs, beside restic and borg: 4 GiB for full, restore and verify, 1 GiB for what changed; then what must
 * not grow with the disk and with the index.
 * `node bench/backup.ts [--runs 3] [--place DIR] [--size 4GiB]`; a place in memory, such as /dev/shm, leaves the disk out.
 */
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { parseSize } from '@corral/core/units';
import { compare } from './repository/compare.ts';
import { installPeers } from './repository/peers.ts';
import { benchIncrementals, benchIndex } from './repository/scale.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '3' },
    place: { type: 'string', default: tmpdir() },
    size: { type: 'string', default: '4GiB' },
  },
});
installPeers();
const runs = Number(values.runs);
const { place } = values;
await compare({ sizeBytes: parseSize(values.size), steps: ['full', 'restore', 'verify'], runs, place });
await compare({ sizeBytes: 2 ** 30, steps: ['full', 'same', 'incremental'], runs, place });
await benchIncrementals(place);
await benchIndex(place);
