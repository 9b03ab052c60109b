import type { ParentLink } from '../disk.ts';
import { diskConformance } from '../disk-conformance.ts';
import { qcow2Driver as driver } from './driver.ts';

const parent: ParentLink = { format: 'raw', paths: [{ kind: 'relative', path: 'base.raw' }] };

diskConformance({ name: 'defaults', driver, sizeBytes: 1_000_448, largerBytes: 2 ** 21 });
diskConformance({
  name: 'clusters of 512 bytes, many tables',
  driver,
  sizeBytes: 200_192,
  options: { blockBytes: 512 },
  largerBytes: 500_224,
});
diskConformance({
  name: 'subclusters',
  driver,
  sizeBytes: 300_032,
  options: { blockBytes: 16_384, extendedL2: true },
  largerBytes: 400_384,
});
diskConformance({
  name: 'differencing',
  driver,
  sizeBytes: 262_144,
  options: { blockBytes: 4096, parent },
  largerBytes: 327_680,
});
diskConformance({
  name: 'differencing with subclusters',
  driver,
  sizeBytes: 524_288,
  options: { extendedL2: true, parent },
  largerBytes: 1_048_576,
});
