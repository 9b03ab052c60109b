import { diskConformance } from '../disk-conformance.ts';
import { vhdDriver } from './driver.ts';

const KiB = 2 ** 10;
const driver = vhdDriver;

const parent = {
  format: 'vhd',
  paths: [
    { kind: 'relative', path: '.\\parent.vhd' },
    { kind: 'absolute', path: 'C:\\disks\\parent.vhd' },
  ],
  identity: { dataWriteId: '21111111-2222-4333-8444-555555555555' },
} as const;

diskConformance({
  name: 'dynamic',
  driver,
  sizeBytes: 300 * KiB + 512,
  options: { blockBytes: 64 * KiB },
  largerBytes: 900 * KiB,
});
diskConformance({
  name: 'fixed',
  driver,
  sizeBytes: 200 * KiB + 512,
  options: { variant: 'fixed' },
  largerBytes: 300 * KiB,
});
diskConformance({
  name: 'differencing',
  driver,
  sizeBytes: 300 * KiB - 512,
  options: { blockBytes: 64 * KiB, parent },
});
