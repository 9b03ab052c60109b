/** What a backup, an export or another program reads must not be deleted under it. */
import type { VmHost } from '../vm/vm-host.ts';
import type { VmRecord } from '../vm/vm-record.ts';
import { trackingErrors } from './errors.ts';

/** @throws tracking.pinned */
export async function requireUnpinned(host: VmHost, { settings: { id, name } }: VmRecord): Promise<void> {
  const { pins } = await host.chainRecords.read(id);
  if (pins.length > 0) throw trackingErrors.pinned({ vm: name, readers: pins.map(({ reason }) => reason) });
}
