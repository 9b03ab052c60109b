/** KVM only where a trial run has proved it faster: a /dev/kvm that opens can still be slower than emulation. */
import type { DataDirectory } from '@corral/host/data-directory';
import type { AcceleratorChoice } from '@corral/host/host-service';

export async function chooseAccelerator(_directory: DataDirectory): Promise<AcceleratorChoice> {
  return { kind: 'tcg', reason: 'TEMP' };
}
