/** Accelerator, versions, kernel features, clock: what the host is. */
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DoctorCheck, finding, healthy } from '../check.ts';

export const checkAccelerator: DoctorCheck = async ({ accelerator }) =>
  accelerator.kind === 'kvm'
    ? healthy('accelerator', 'Accelerator', `KVM. ${accelerator.reason}`)
    : finding(
        'accelerator',
        'warning',
        'Accelerator',
        `VMs run on TCG, by emulation, many times slower than with KVM. ${accelerator.reason}`,
        'Enable virtualisation (VT-x, AMD-V) in the firmware, or nested virtualisation where this host is itself a VM; then delete the stored verdict, accelerator.json in the cache folder of Corral, and restart corrald.',
      );

const testedMajors = new Set([7, 8, 9, 10]);

export const checkVersions: DoctorCheck = async ({ qemuVersion }) => {
  const major = Number(qemuVersion.split('.')[0]);
  const detail = `QEMU ${qemuVersion}, Node ${process.versions.node}.`;
  if (testedMajors.has(major)) return healthy('versions', 'Versions', detail);
  return finding(
    'versions',
    'note',
    'Versions',
    `${detail} Corral was tested with QEMU 7.2 to 10.`,
    'Report what does not work, or use the QEMU of Debian 12 or 13.',
  );
};

/** `background-snapshot` of an unprivileged QEMU needs one of the two (Linux' admin-guide/mm/userfaultfd.rst). */
export const checkUserfaultfd: DoctorCheck = async ({ proc, dev }) => {
  const setting = await readText(join(proc, 'sys/vm/unprivileged_userfaultfd'));
  const device = await isThere(join(dev, 'userfaultfd'));
  if (setting?.trim() === '1' || device) {
    return healthy(
      'userfaultfd',
      'userfaultfd',
      'Checkpoints with memory can be written while the guest runs.',
    );
  }
  return finding(
    'userfaultfd',
    'warning',
    'userfaultfd',
    'The kernel does not let an unprivileged QEMU watch its memory: a checkpoint with memory stops the guest for seconds.',
    'Run "sysctl -w vm.unprivileged_userfaultfd=1", and write that setting to /etc/sysctl.d/corral.conf.',
  );
};

const driftLimitMs = 1_000;

/** A wall clock that was stepped, or runs away from the monotonic one, makes leases and backups hard to trust. */
export const checkClock: DoctorCheck = async ({ clockOffsetAtStartMs, clockOffsetNowMs }) => {
  const drift = Math.round(clockOffsetNowMs - clockOffsetAtStartMs);
  if (Math.abs(drift) < driftLimitMs) {
    return healthy(
      'clock',
      'Clock',
      `It moved by ${drift} ms against the monotonic clock since the daemon started.`,
    );
  }
  return finding(
    'clock',
    'warning',
    'Clock',
    `The clock moved by ${drift} ms against the monotonic clock since the daemon started: it was set, or it drifts.`,
    'Install a time service ("apt install chrony") and see that it is synchronised ("chronyc tracking").',
  );
};

async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw cause;
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw cause;
  }
}
