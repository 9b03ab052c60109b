/**
 * What must not grow: the time of an incremental with the size of the disk, and the memory of a backup with the size of
 * the index. `node bench/repository-scale.ts [--entries 16777216] [--place DIR]`
 */
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { benchIncrementals, benchIndex } from './repository/scale.ts';

const { values } = parseArgs({
  options: {
    entries: { type: 'string', default: String(2 ** 24) },
    place: { type: 'string', default: tmpdir() },
  },
});
await benchIncrementals(values.place);
await benchIndex(values.place, Number(values.entries));
