/**
 * Image file in, repository out, and back: Corral beside restic and borg, on the same image in one run.
 * `node bench/repository.ts [--size 1GiB] [--runs 1] [--place DIR] [--only NAME]`
 */
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { parseSize } from '@corral/core/units';
import { compare } from './repository/compare.ts';
import { installPeers } from './repository/peers.ts';

const { values } = parseArgs({
  options: {
    size: { type: 'string', default: '1GiB' },
    runs: { type: 'string', default: '1' },
    place: { type: 'string', default: tmpdir() },
    only: { type: 'string', multiple: true },
  },
});
installPeers();
await compare({
  sizeBytes: parseSize(values.size),
  steps: ['full', 'same', 'incremental', 'restore', 'verify'],
  runs: Number(values.runs),
  place: values.place,
  only: values.only,
});
