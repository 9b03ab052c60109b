import { diskConformance } from '../disk-conformance.ts';
import { vhdxDriver } from './driver.ts';

// Blocks are 1 MiB at least, and every comparison looks at every byte: few runs, more by CORRAL_TEST_SCALE.
const MiB = 2 ** 20;
const driver = vhdxDriver;

const parent = {
  format: 'vhdx',
  paths: [
    { kind: 'relative', path: '.\\parent.vhdx' },
    { kind: 'absolute', path: 'C:\\disks\\parent.vhdx' },
  ],
  identity: {
    id: '11111111-2222-4333-8444-555555555555',
    dataWriteId: '21111111-2222-4333-8444-555555555555',
  },
} as const;

diskConformance({
  name: 'dynamic',
  driver,
  sizeBytes: 3 * MiB + 512,
  options: { blockBytes: MiB },
  largerBytes: 5 * MiB + 1024,
  runs: 4,
});
diskConformance({
  name: 'dynamic, sectors of 4096 bytes',
  driver,
  sizeBytes: 3 * MiB - 4096,
  options: { blockBytes: 2 * MiB, logicalSectorBytes: 4096 },
  largerBytes: 5 * MiB + 4096,
  runs: 2,
});
diskConformance({
  name: 'fixed',
  driver,
  sizeBytes: 2 * MiB + 512,
  options: { blockBytes: MiB, variant: 'fixed' },
  largerBytes: 4 * MiB + 512,
  runs: 2,
});
diskConformance({
  name: 'differencing',
  driver,
  sizeBytes: 3 * MiB - 512,
  options: { blockBytes: MiB, parent },
  largerBytes: 4 * MiB + 512,
  runs: 4,
});
diskConformance({
  name: 'differencing, sectors of 4096 bytes',
  driver,
  sizeBytes: 3 * MiB,
  options: { blockBytes: MiB, logicalSectorBytes: 4096, parent },
  runs: 2,
});
