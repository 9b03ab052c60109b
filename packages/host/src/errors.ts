import { defineErrors, error } from '@corral/core/errors';
import { formatSize } from '@corral/core/units';

/** Actions whose names are no words that a person would use. */
const spoken: Readonly<Record<string, string>> = {
  'guest-call': 'a call to its guest agent',
  'disk-add': 'adding a disk',
  'disk-remove': 'removing a disk',
  'disk-resize': 'enlarging a disk',
  'port-add': 'adding a port',
  'port-remove': 'removing a port',
  'discard-saved': 'discarding saved memory',
  set: 'changing settings',
};

export const vmErrors = defineErrors('vm', {
  'not-found': error<{ vm: string }>(
    404,
    'No such VM',
    (p) => `There is no VM "${p.vm}" on this host. "corral vm list" shows those that are.`,
  ),
  'name-taken': error<{ name: string }>(
    409,
    'The name is taken',
    (p) => `A VM named "${p.name}" exists already. Choose another name, or rename that VM.`,
  ),
  'disk-shrinks': error<{ vm: string; disk: string; sizeBytes: number }>(
    409,
    'A disk does not become smaller',
    (p) =>
      `Disk "${p.disk}" of VM "${p.vm}" has ${p.sizeBytes} bytes, and what its guest keeps at its end would be lost. Give a larger size, or copy its content to a smaller disk inside the guest.`,
  ),
  'fixed-device': error<{ vm: string; disk: string }>(
    409,
    'A device has its size',
    (p) =>
      `Disk "${p.disk}" of VM "${p.vm}" is a device of the host. Enlarge the device itself; its guest sees that at the next start.`,
  ),
  'illegal-state': error<{ vm: string; action: string; state: string; legalStates: readonly string[] }>(
    409,
    'Not possible in this state',
    (p) =>
      `VM "${p.vm}" is ${p.state}; ${spoken[p.action] ?? p.action} is possible when it is ${p.legalStates.join(' or ')}.`,
  ),
  'still-copied': error<{ vm: string; action: string }>(
    409,
    'Disks are still being copied',
    (p) =>
      `VM "${p.vm}" was restored at once and still reads from its backup; ${p.action} is possible when its disks are copied. "corral operation list" shows how far that is.`,
  ),
  changed: error<{ vm: string; expected: string; actual: string }>(
    412,
    'The VM was changed meanwhile',
    (p) =>
      `VM "${p.vm}" is at generation ${p.actual}, not ${p.expected}. Read it again and repeat the change.`,
  ),
  'disk-exists': error<{ vm: string; disk: string }>(
    409,
    'The disk exists',
    (p) => `VM "${p.vm}" has a disk "${p.disk}" already. Choose another name.`,
  ),
  'disk-not-found': error<{ vm: string; disk: string }>(
    404,
    'No such disk',
    (p) => `VM "${p.vm}" has no disk "${p.disk}". "corral vm disk list ${p.vm}" shows its disks.`,
  ),
  'port-exists': error<{ vm: string; port: string }>(
    409,
    'The port exists',
    (p) => `VM "${p.vm}" has a port "${p.port}" already. Choose another name.`,
  ),
  'port-not-found': error<{ vm: string; port: string }>(
    404,
    'No such port',
    (p) => `VM "${p.vm}" has no port "${p.port}". "corral vm port list ${p.vm}" shows its ports.`,
  ),
  'no-slot': error<{ vm: string; slots: number }>(
    409,
    'No free slot',
    (p) => `VM "${p.vm}" has all its ${p.slots} slots for disks and ports in use. Remove one first.`,
  ),
  'bus-full': error<{ vm: string; bus: string; max: number }>(
    409,
    'The bus is full',
    (p) => `VM "${p.vm}" can have ${p.max} disks on ${p.bus}. Use bus=virtio for more.`,
  ),
  'cannot-hotplug': error<{ vm: string; thing: string; reason: string }>(
    409,
    'Not while the VM runs',
    (p) => `${p.thing} of VM "${p.vm}" cannot be changed while it runs: ${p.reason}. Shut it down first.`,
  ),
  'bad-disk': error<{ disk: string; reason: string }>(
    400,
    'The disk cannot be made',
    (p) => `Disk "${p.disk}": ${p.reason}`,
  ),
  'nothing-to-keep': error<{ vm: string }>(
    400,
    'There are no checkpoints to keep',
    (p) =>
      `VM "${p.vm}" was to keep the checkpoints of the files that its disks come from, but none of these files has a parent. Leave out --keep-checkpoints.`,
  ),
  'chains-differ': error<{ vm: string; disks: readonly string[] }>(
    400,
    'The disks do not have the same checkpoints',
    (p) =>
      `A checkpoint of VM "${p.vm}" is a state of all its disks, so all must come from the same number of files that stand on each other: ${p.disks.join(', ')}. Create the VM with those that agree and add the others afterwards with "corral vm disk add"; or leave out --keep-checkpoints, which makes one file of each.`,
  ),
  'source-changed': error<{ path: string }>(
    409,
    'The files of a disk changed meanwhile',
    (p) =>
      `${p.path} does not stand on the same files any more as when the VM was asked for. Leave the files alone while they are copied, and create the VM again.`,
  ),
  'device-in-use': error<{ vm: string; disk: string; path: string }>(
    409,
    'The device is used by another',
    (p) =>
      `Disk "${p.disk}" of VM "${p.vm}" is the device ${p.path}, which another VM that runs has, or another user of this host. Two writers would destroy its content: stop that VM, or give the device back to root.`,
  ),
  'clone-device': error<{ vm: string; disk: string }>(
    409,
    'A device of the host cannot be cloned',
    (p) =>
      `Disk "${p.disk}" of VM "${p.vm}" is a device of the host, of which there is only one. Remove it from the VM ("corral vm disk remove ${p.vm} ${p.disk}"), clone, and add it again.`,
  ),
  'bad-boot-device': error<{ device: string; known: readonly string[] }>(
    400,
    'No such boot device',
    (p) => `"${p.device}" is in the boot order, but the VM has only: ${p.known.join(', ') || 'nothing'}.`,
  ),
  'no-memory': error<{ vm: string; wantedMiB: number; freeMiB: number; reserveMiB: number }>(
    409,
    'Not enough memory',
    (p) =>
      `VM "${p.vm}" needs ${p.wantedMiB} MiB of memory; this host has ${p.freeMiB} MiB left for VMs (its own reserve of ${p.reserveMiB} MiB kept). Stop another VM, or give this one less with "corral vm set ${p.vm} --memory".`,
  ),
  'qemu-failed': error<{ vm: string; lastWords: string }>(
    500,
    'QEMU could not run the VM',
    (p) => `QEMU ended while VM "${p.vm}" was being started. Its last words: ${p.lastWords || '(none)'}`,
  ),
  'tpm-failed': error<{ vm: string; lastWords: string }>(
    500,
    'The TPM could not be started',
    (p) =>
      `swtpm ended while VM "${p.vm}" was being started. Its last words: ${p.lastWords || '(none)'}. Its state is in the folder tpm of the VM.`,
  ),
  'qemu-gone': error<{ vm: string }>(
    409,
    'The VM is not running',
    (p) => `VM "${p.vm}" has no QEMU process.`,
  ),
  'shutdown-limit': error<{ vm: string; limitMs: number }>(
    504,
    'The guest did not shut down',
    (p) =>
      `The guest of VM "${p.vm}" did not shut down within ${p.limitMs} ms. It still runs. Try again, or turn it off with "corral vm stop ${p.vm}".`,
  ),
  'file-missing': error<{ vm: string; what: string; path: string }>(
    409,
    'A file of the VM is missing',
    (p) =>
      `The ${p.what} of VM "${p.vm}" is not there: ${p.path}. Put it back, or take it from the settings.`,
  ),
  'saved-damaged': error<{ vm: string; path: string; reason: string }>(
    409,
    'The saved memory cannot be used',
    (p) =>
      `The saved memory of VM "${p.vm}" (${p.path}) cannot be used: ${p.reason}. "corral vm discard-saved ${p.vm}" lets it start without.`,
  ),
  'needs-uefi': error<{ vm: string }>(
    400,
    'Secure Boot needs UEFI',
    (p) =>
      `VM "${p.vm}" is to have Secure Boot, which a BIOS knows nothing of. Give it "--firmware uefi", or "--no-secure-boot".`,
  ),
  'unsupported-firmware': error<{ what: string; path: string; fix: string }>(
    409,
    'Firmware is not installed',
    (p) => `${p.what} needs ${p.path}, which is not there. ${p.fix}`,
  ),
  'nothing-to-register': error<{ path: string }>(
    404,
    'There is no VM to register',
    (p) =>
      `${p.path} has no vm.json: it is neither an export of Corral nor the folder of a VM. Name the folder that holds it.`,
  ),
  'not-registrable': error<{ path: string; problems: readonly string[] }>(
    409,
    'The VM does not fit this host',
    (p) =>
      `The VM in ${p.path} cannot be registered as it is: ${p.problems.join('; ')}. "corral vm register ${p.path} --dry-run" shows each with its fix.`,
  ),
  'settings-damaged': error<{ path: string; reason: string }>(
    500,
    'The settings file cannot be read',
    (p) => `The settings file ${p.path} cannot be read: ${p.reason}`,
  ),
});

export const hostErrors = defineErrors('host', {
  'qemu-missing': error<{ binary: string }>(
    500,
    'QEMU is missing',
    (p) =>
      `${p.binary} cannot be run. Install the Debian package qemu-system-x86 ("npm start" does it); if CORRAL_QEMU is set, it must name the program.`,
  ),
  'qemu-unusable': error<{ binary: string; lastWords: string }>(
    500,
    'QEMU does not start',
    (p) =>
      `${p.binary} ended before it could be asked anything. Its last words: ${p.lastWords || '(none)'}. Corral needs qemu-system-x86_64 7.2 or newer; reinstall the Debian package qemu-system-x86.`,
  ),
  'qemu-too-old': error<{ version: string; least: string }>(
    500,
    'QEMU is too old',
    (p) => `QEMU is version ${p.version}; Corral needs ${p.least} or newer. Upgrade qemu-system-x86.`,
  ),
  'bridge-missing': error<{ bridge: string }>(
    409,
    'No such bridge',
    (p) =>
      `There is no bridge "${p.bridge}" on this host. Create it ("ip link add ${p.bridge} type bridge"), or use the network "user".`,
  ),
  'needs-root': error<{ what: string }>(403, 'Needs root', (p) => `${p.what} needs corrald to run as root.`),
  'command-failed': error<{ command: string; output: string }>(
    500,
    'A command failed',
    (p) => `"${p.command}" failed: ${p.output || '(it printed nothing)'}`,
  ),
  'no-space': error<{ path: string; wantedBytes: number; freeBytes: number }>(
    507,
    'Not enough space',
    (p) =>
      `${p.path} has ${p.freeBytes} bytes free; ${p.wantedBytes} bytes are needed. Free some space first.`,
  ),
});

export const chainErrors = defineErrors('chain', {
  contradiction: error<{ holder: string; path: string }>(
    500,
    'Two records of a chain contradict each other',
    (p) =>
      `${p.holder} has ${p.path} in another place of the chain than the rest of the VM. Nothing was changed. Export what can still be read, and report this with the VM's settings file and its checkpoints' files.`,
  ),
  'layer-touched': error<{ vm: string; disk: string; path: string; reason: string }>(
    409,
    'A layer of a disk was touched',
    (p) =>
      `VM "${p.vm}", disk "${p.disk}": ${p.path} is not what Corral had left: ${p.reason}. So nothing is started on it or read from it. Put the original file back. If you know that the content is right, "corral vm disk accept ${p.vm} ${p.disk}" takes it as it is.`,
  ),
  'merge-failed': error<{ vm: string; disk: string; reason: string }>(
    500,
    'A merge failed',
    (p) =>
      `Merging layers of disk "${p.disk}" of VM "${p.vm}" failed: ${p.reason}. The chain is whole and the VM can be used; the merge is tried again.`,
  ),
  'merge-no-space': error<{ vm: string; disk: string; path: string; freeBytes: number; neededBytes: number }>(
    507,
    'A merge stopped for want of space',
    (p) =>
      `Merging layers of disk "${p.disk}" of VM "${p.vm}" stopped: it may need ${formatSize(p.neededBytes)} more on the volume of ${p.path}, which has ${formatSize(p.freeBytes)} free; ${formatSize(Math.max(0, p.neededBytes - p.freeBytes))} are missing. The chain is whole and the VM can be used. Free some space: the merge is tried again every five minutes.`,
  ),
  'cannot-fork': error<{ vm: string; disk: string }>(
    409,
    'The disk cannot be forked',
    (p) =>
      `Disk "${p.disk}" of VM "${p.vm}" is a device of the host: Corral can put no differencing disk on it, so neither a checkpoint nor a tracked backup is possible. Remove the disk from the VM, or copy its content to a disk of Corral's.`,
  ),
  'fork-failed': error<{ vm: string; reason: string }>(
    500,
    'The disks could not be forked',
    (p) => `QEMU did not put new layers on the disks of VM "${p.vm}": ${p.reason}. The VM goes on as before.`,
  ),
});

export const checkpointErrors = defineErrors('checkpoint', {
  'not-found': error<{ vm: string; checkpoint: string }>(
    404,
    'No such checkpoint',
    (p) =>
      `VM "${p.vm}" has no checkpoint "${p.checkpoint}". "corral checkpoint list ${p.vm}" shows those that it has.`,
  ),
  'name-taken': error<{ vm: string; checkpoint: string }>(
    409,
    'The name is taken',
    (p) =>
      `VM "${p.vm}" has a checkpoint "${p.checkpoint}" already. Choose another name, or rename that one with "corral checkpoint rename".`,
  ),
  'present-at-stake': error<{ vm: string; checkpoint: string }>(
    409,
    'The present would be lost',
    (p) =>
      `Applying checkpoint "${p.checkpoint}" throws away what VM "${p.vm}" holds now. Keep it in a checkpoint of its own with --checkpoint-first, or throw it away with --discard-present.`,
  ),
  'no-guest': error<{ vm: string; reason: string }>(
    409,
    'The guest cannot be brought to rest',
    (p) =>
      `A production checkpoint of VM "${p.vm}" needs its guest: ${p.reason}. Install and start qemu-guest-agent in the guest, take a standard checkpoint, or accept a crash-consistent one with --allow crash.`,
  ),
  'memory-failed': error<{ vm: string; reason: string }>(
    500,
    'The memory could not be written',
    (p) =>
      `QEMU did not write the memory of VM "${p.vm}": ${p.reason}. The VM goes on as before; no checkpoint was taken.`,
  ),
  damaged: error<{ vm: string; checkpoint: string; path: string; reason: string }>(
    409,
    'The checkpoint cannot be used',
    (p) =>
      `Checkpoint "${p.checkpoint}" of VM "${p.vm}" cannot be applied: ${p.path}: ${p.reason}. Put the original file back, or delete the checkpoint. Nothing was changed.`,
  ),
  'export-exists': error<{ path: string }>(
    409,
    'The directory is not empty',
    (p) => `${p.path} is there already and not empty. Name one that does not exist yet.`,
  ),
});
