import { diskConformance } from './disk-conformance.ts';
import { rawDriver } from './raw.ts';

diskConformance({ name: 'sparse', driver: rawDriver, sizeBytes: 200_000, largerBytes: 300_001 });
diskConformance({
  name: 'fixed',
  driver: rawDriver,
  sizeBytes: 65_536,
  options: { variant: 'fixed' },
  largerBytes: 131_072,
});
