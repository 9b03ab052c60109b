/** Accelerator, versions, kernel features, clock: what the host is. */
import { access, constants, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { unlessAbsent } from '../../storage/unless-absent.ts';
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

/**
 * What `background-snapshot` of an unprivileged QEMU needs: the kernel's setting, which the daemon lends where it may
 * write it (checkpoint/lend-userfaultfd.ts), or from QEMU 8.0 on a device that every user may open (Linux'
 * admin-guide/mm/userfaultfd.rst).
 */
export const checkUserfaultfd: DoctorCheck = async ({ dev, proc, qemuVersion }) => {
  const title = 'userfaultfd';
  const path = join(proc, 'sys/vm/unprivileged_userfaultfd');
  const setting = (await unlessAbsent(readFile(path, 'utf8'), null))?.trim() ?? null;
  const hasDevice = Number(qemuVersion.split('.')[0]) >= 8 && (await isOpenToAll(join(dev, 'userfaultfd')));
  if (setting === '1' || hasDevice) {
    return healthy(title, title, 'Checkpoints with memory can be written while the guest runs.');
  }
  if (setting !== null && (await isWritable(path))) {
    const detail =
      'Checkpoints with memory are written while the guest runs: QEMU is allowed to for that moment.';
    return healthy(title, title, detail);
  }
  const stands = 'a checkpoint with memory stops the guest for seconds.';
  if (setting === null) {
    const detail = `The kernel has no userfaultfd: ${stands}`;
    return finding(title, 'warning', title, detail, 'Start the host with a kernel of Debian, which has it.');
  }
  return finding(
    title,
    'warning',
    title,
    `The kernel does not let QEMU watch its memory, and corrald may not change that: ${stands}`,
    'Run corrald as root outside of a container; or run "sysctl -w vm.unprivileged_userfaultfd=1" on the host, and write that setting to /etc/sysctl.d/corral.conf.',
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

async function isOpenToAll(path: string): Promise<boolean> {
  const found = await unlessAbsent(stat(path), null);
  return found !== null && (found.mode & 0o006) === 0o006;
}

/** Whether this process may write it: not if it is not root, nor where the file system is read-only. */
async function isWritable(path: string): Promise<boolean> {
  try {
    await access(path, constants.W_OK);
    return true;
  } catch (cause) {
    if (['EACCES', 'EPERM', 'EROFS'].includes((cause as NodeJS.ErrnoException).code ?? '')) return false;
    throw cause;
  }
}
