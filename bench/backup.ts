/**
 * What a backup costs, beside restic and borg: 4 GiB for full, restore and verify, 1 GiB for what changed.
 * `node bench/backup.ts [--runs 3] [--place DIR]`; a place in memory, such as /dev/shm, leaves the disk out.
 */
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { compare } from './repository/compare.ts';
import { installPeers } from './repository/peers.ts';

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '3' }, place: { type: 'string', default: tmpdir() } },
});
installPeers();
const runs = Number(values.runs);
const { place } = values;
await compare({ sizeBytes: 4 * 2 ** 30, steps: ['full', 'restore', 'verify'], runs, place });
await compare({ sizeBytes: 2 ** 30, steps: ['full', 'same', 'incremental'], runs, place });
