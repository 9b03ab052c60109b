/** Errors of disk files. A file that cannot be trusted is 422, a wish that a format cannot meet is 400. */

import { defineErrors, error } from '@corral/core/errors';
import { formatSize } from '@corral/core/units';

export const diskErrors = defineErrors('disk', {
  'not-found': error<{ path: string }>(404, 'No such disk file', (p) => `There is no file ${p.path}.`),
  exists: error<{ path: string }>(
    409,
    'The file exists',
    (p) => `${p.path} exists already. Name another file or remove this one first; nothing was overwritten.`,
  ),
  io: error<{ path: string; action: string; reason: string }>(
    500,
    'A disk file could not be read or written',
    (p) => `Could not ${p.action} ${p.path}: ${p.reason}. Check the volume and the file's permissions.`,
  ),
  'no-space': error<{ path: string; needed: number; free: number }>(
    507,
    'Not enough space',
    (p) =>
      `${p.path} needs ${formatSize(p.needed)}, but its volume has ${formatSize(p.free)} free. Free some space or choose another volume.`,
  ),
  'file-too-large': error<{ path: string; bytes: number; limit: number; fileSystem: string }>(
    400,
    'The file system cannot hold such a file',
    (p) =>
      `${p.path} would be ${formatSize(p.bytes)} long, but ${p.fileSystem} holds files of at most ${formatSize(p.limit)}. Choose a dynamic format or another file system.`,
  ),
  'read-only': error<{ path: string }>(
    409,
    'The disk is open read-only',
    (p) => `${p.path} is open for reading only. Open it for writing to change it.`,
  ),
  closed: error<{ path: string }>(409, 'The disk is closed', (p) => `${p.path} is closed already.`),
  'out-of-range': error<{ path: string; offset: number; length: number; sizeBytes: number }>(
    400,
    'Outside the disk',
    (p) =>
      `The range of ${p.length} bytes at ${p.offset} does not lie in ${p.path}, which has ${p.sizeBytes} bytes.`,
  ),
  truncated: error<{ path: string; what: string; fileOffset: number; length: number; fileBytes: number }>(
    422,
    'The disk file is too short',
    (p) =>
      `${p.path} ends after ${p.fileBytes} bytes, but its ${p.what} should be ${p.length} bytes at ${p.fileOffset}. Copy the file again from where it came.`,
  ),
  corrupt: error<{ path: string; what: string }>(
    422,
    'The disk file contradicts itself',
    (p) =>
      `${p.path} is damaged: ${p.what}. Restore the file from a backup, or see what "corral disk check --repair" can mend.`,
  ),
  'unknown-format': error<{ path: string; expected: string }>(
    422,
    'Not a disk of that format',
    (p) =>
      `${p.path} is not ${p.expected}. Check that it was copied whole, or say with --format what it really is.`,
  ),
  'other-format': error<{ path: string; kind: string }>(
    422,
    'Not a disk that Corral reads',
    (p) =>
      `${p.path} is a file of the kind ${p.kind}. Unpack it, or convert it with "qemu-img convert"; if it is a raw disk all the same, say --format raw.`,
  ),
  'unsupported-feature': error<{ path: string; feature: string; fix: string }>(
    422,
    'The disk uses a feature that Corral does not open',
    (p) => `${p.path} uses ${p.feature}, which Corral does not open. ${p.fix}`,
  ),
  'unsupported-option': error<{ format: string; what: string; fix: string }>(
    400,
    'The format cannot do that',
    (p) => `${p.format}: ${p.what}. ${p.fix}`,
  ),
  'size-unsupported': error<{ format: string; sizeBytes: number; rule: string }>(
    400,
    'The format cannot hold a disk of that size',
    (p) => `A ${p.format} disk cannot have ${p.sizeBytes} bytes: ${p.rule}.`,
  ),
  'shrink-refused': error<{ path: string; from: number; to: number }>(
    409,
    'Shrinking needs a confirmation',
    (p) =>
      `${p.path} has ${formatSize(p.from)}; what lies behind ${formatSize(p.to)} would be lost. Shrink the partitions inside first, then allow it with --shrink.`,
  ),
  'needs-repair': error<{ path: string; reason: string }>(
    409,
    'The disk must be repaired before it is written',
    (p) => `${p.path} cannot be written to: ${p.reason}. Run "corral disk check --repair" first.`,
  ),
  'parent-missing': error<{ path: string; tried: readonly string[] }>(
    422,
    'The parent of a differencing disk is missing',
    (p) =>
      `${p.path} is a differencing disk, and its parent is not there (tried ${p.tried.join(', ')}). Put the parent back, or name it.`,
  ),
  'parent-changed': error<{ path: string; parent: string; expected: string; found: string }>(
    409,
    'The parent changed since the differencing disk was made',
    (p) =>
      `${p.parent} is not the parent that ${p.path} was made on, or it was written to since (identity ${p.found}, expected ${p.expected}). Restore the parent as it was; the difference means nothing without it.`,
  ),
  'parent-cycle': error<{ path: string; chain: readonly string[] }>(
    422,
    'A chain of disks runs in a circle',
    (p) =>
      `${p.path} is its own ancestor: ${p.chain.join(' <- ')}. Such a chain has no content; restore its files.`,
  ),
  'parent-outside': error<{ path: string; parent: string; allowed: readonly string[] }>(
    403,
    'The parent lies outside the allowed folders',
    (p) =>
      `${p.path} names the parent ${p.parent}, which is outside ${p.allowed.join(', ')}. A disk from elsewhere could read any file that way; allow the folder only if you trust the disk.`,
  ),
  'parent-unnamed': error<{ path: string; name: string; reason: string; fix: string }>(
    422,
    'The link to the parent cannot be followed',
    (p) => `${p.path} names its parent "${p.name}", but ${p.reason}. ${p.fix}`,
  ),
  'parent-mismatch': error<{ path: string; parent: string; what: string }>(
    422,
    'The parent does not fit the differencing disk',
    (p) => `${p.parent} cannot be the parent of ${p.path}: ${p.what}.`,
  ),
  'merge-unfinished': error<{ path: string; parent: string }>(
    409,
    'A merge was interrupted',
    (p) =>
      `${p.path} was being merged into ${p.parent} when that was interrupted. Nothing is lost: run "corral disk merge ${p.path}" again to finish it.`,
  ),
  'chain-too-deep': error<{ path: string; depth: number }>(
    422,
    'A chain of disks is too deep',
    (p) => `The chain of ${p.path} has more than ${p.depth} files. Merge some of them.`,
  ),
  'in-use-as-parent': error<{ path: string; children: readonly string[] }>(
    409,
    'Other disks rest on this one',
    (p) =>
      `${p.path} is the parent of ${p.children.join(', ')}, which would lose what they rest on. Merge or remove them first.`,
  ),
  'in-use': error<{ path: string }>(
    409,
    'The disk is in use',
    (p) =>
      `${p.path} is open in a QEMU: what is changed beneath it is lost, or damages the disk. Stop its VM first, or let the daemon do it ("corral vm disk").`,
  ),
  'not-differencing': error<{ path: string }>(
    409,
    'The disk has no parent',
    (p) => `${p.path} has no parent, so there is nothing to merge it into.`,
  ),
  'foreign-refused': error<{ path: string; reason: string; fix: string }>(
    422,
    'The image is refused',
    (p) => `${p.path} is not imported: ${p.reason}. ${p.fix}`,
  ),
});
