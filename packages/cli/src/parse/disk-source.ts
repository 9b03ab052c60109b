/**
 * `--disk`:  NAME=SIZE[,format=ext4|qcow2|raw]   a new, blank disk; ext4 is made by the host
 *            NAME=from:FILE[,size=SIZE][,format=qcow2|raw]   a copy, enlarged to SIZE
 *            NAME=device:/dev/X                  a block device of the host, passed through
 * each with `,bus=virtio|sata`, and the first two with `,volume=NAME`.
 */
import type { DiskSource } from '@corral/api/schemas/vm';
import { namePattern } from '@corral/core/ids';
import { parseSize } from '@corral/core/units';
import { cliErrors } from '../errors.ts';
import { parseFields } from './fields.ts';

const what = 'a disk';
const expected =
  'Write NAME=SIZE, NAME=from:FILE or NAME=device:/dev/X, and behind it ,format=ext4|qcow2|raw ,bus=virtio|sata ,size=SIZE ,volume=NAME where they apply: data=10GiB,format=ext4. A comma inside a file name is written twice.';

/** Virtio's serial number, by which the guest knows the disk, has no more room (virtio 1.2, section 5.2.6). */
const longestName = 20;

const buses = ['virtio', 'sata'] as const;
const formats = ['qcow2', 'raw'] as const;

/** Paths stay as they were written. @throws cli.value; unit.size */
export function parseDiskSource(text: string): DiskSource {
  const refuse = (why: string = expected): never => {
    throw cliErrors.value({ what, text, expected: why });
  };
  const { head, options } = parseFields(text, what, ['format', 'bus', 'size', 'volume'], expected);
  const at = head.indexOf('=');
  const name = head.slice(0, Math.max(at, 0));
  const origin = head.slice(at + 1);
  if (at < 1 || origin === '') refuse();
  if (!namePattern.test(name) || name.length > longestName) {
    refuse(
      `The name of a disk has 1 to ${longestName} letters, digits, "-", "_" or ".", and begins with a letter or digit.`,
    );
  }
  const size = options.get('size');
  const bus = choice(options.get('bus'), buses, refuse);
  const volume = options.get('volume');
  const common = { name, ...(bus && { bus }), ...(volume !== undefined && { volume }) };
  if (origin.startsWith('device:')) {
    const device = origin.slice('device:'.length);
    if (!device.startsWith('/dev/')) refuse('A pass-through disk names a device: NAME=device:/dev/X.');
    if (size !== undefined || options.has('format')) refuse('A device has its own size and is always raw.');
    if (volume !== undefined) refuse('A device lies on no volume.');
    return { ...common, device };
  }
  if (origin.startsWith('from:')) {
    const from = origin.slice('from:'.length);
    if (from === '') refuse();
    const format = choice(options.get('format'), formats, refuse);
    return {
      ...common,
      from,
      ...(size !== undefined && { sizeBytes: parseSize(size) }),
      ...(format && { format }),
    };
  }
  if (size !== undefined) refuse('A new disk has its size behind its name: NAME=SIZE.');
  return { ...common, sizeBytes: parseSize(origin), ...blankFormat(options.get('format'), refuse) };
}

function blankFormat(
  text: string | undefined,
  refuse: () => never,
): Pick<DiskSource, 'format' | 'filesystem'> {
  if (text === 'ext4') return { filesystem: 'ext4' };
  const format = choice(text, formats, refuse);
  return format ? { format } : {};
}

function choice<T extends string>(
  text: string | undefined,
  choices: readonly T[],
  refuse: () => never,
): T | undefined {
  return text === undefined ? undefined : (choices.find((candidate) => candidate === text) ?? refuse());
}
