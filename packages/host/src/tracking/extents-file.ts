/** The file of an edge: two states, and the extents outside of which they are equal (docs/formats/changes.md). */
import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Range } from '@corral/disk/disk';
import { writeWhole } from '../storage/whole-files.ts';
import { trackingErrors } from './errors.ts';
import { bytesOf } from './ranges.ts';

export interface ExtentsFile {
  readonly from: string;
  readonly to: string;
  /** Sorted; they neither touch nor overlap. */
  readonly ranges: readonly Range[];
}

const magic = 'CORRALCH';
const version = 1;
const headerBytes = 56;
const checksumBytes = 4;

/** Durable when it returns: whole under its name, or not there. */
export async function writeExtentsFile(path: string, content: ExtentsFile): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeWhole(path, encodeExtents(content), 0o600);
}

/** @throws tracking.extents-damaged */
export async function readExtentsFile(path: string, expected: Omit<ExtentsFile, 'ranges'>): Promise<Range[]> {
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') throw trackingErrors['extents-damaged']({ path, reason: 'it is missing' });
    throw cause;
  });
  const content = decodeExtents(path, bytes);
  if (content.from !== expected.from || content.to !== expected.to) {
    throw trackingErrors['extents-damaged']({ path, reason: 'it is about other states' });
  }
  return [...content.ranges];
}

export function encodeExtents({ from, to, ranges }: ExtentsFile): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.write(magic, 0, 'latin1');
  header.writeUInt32LE(version, 8);
  header.writeUInt32LE(ranges.length, 12);
  header.set(uuidBytes(from), 16);
  header.set(uuidBytes(to), 32);
  header.writeBigUInt64LE(BigInt(bytesOf(ranges)), 48);
  // A number below 2^53 takes 8 bytes of 7 bits at most.
  const body = Buffer.alloc(ranges.length * 16);
  let at = 0;
  let end = 0;
  const put = (value: number): void => {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) body[at++] = (rest % 128) + 128;
    body[at++] = rest;
  };
  for (const { offset, length } of ranges) {
    put(offset - end);
    put(length);
    end = offset + length;
  }
  const content = Buffer.concat([header, body.subarray(0, at)]);
  const checksum = Buffer.alloc(checksumBytes);
  checksum.writeUInt32LE(crc32(content));
  return Buffer.concat([content, checksum]);
}

/** @throws tracking.extents-damaged */
export function decodeExtents(path: string, bytes: Buffer): ExtentsFile {
  const refuse = (reason: string): never => {
    throw trackingErrors['extents-damaged']({ path, reason });
  };
  if (bytes.length < headerBytes + checksumBytes) refuse('it is too short');
  const content = bytes.subarray(0, -checksumBytes);
  if (content.toString('latin1', 0, 8) !== magic) refuse('it does not begin as such a file does');
  if (content.readUInt32LE(8) !== version)
    refuse(`its version is ${content.readUInt32LE(8)}, not ${version}`);
  if (crc32(content) !== bytes.readUInt32LE(content.length)) refuse('its checksum is wrong');
  const ranges = decodeRanges(content.subarray(headerBytes), content.readUInt32LE(12), refuse);
  if (BigInt(bytesOf(ranges)) !== content.readBigUInt64LE(48)) refuse('its extents do not have its length');
  return { from: uuidText(content.subarray(16, 32)), to: uuidText(content.subarray(32, 48)), ranges };
}

function decodeRanges(body: Buffer, count: number, refuse: (reason: string) => never): Range[] {
  let at = 0;
  let end = 0;
  const take = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = body[at++];
      if (byte === undefined || scale > 2 ** 49) return refuse('its extents cannot be read');
      value += (byte % 128) * scale;
      if (byte < 128) return value;
    }
  };
  if (count > body.length / 2) refuse('it says that it has more extents than fit in it');
  const ranges = Array.from({ length: count }, () => {
    const offset = end + take();
    const length = take();
    end = offset + length;
    if (length === 0 || !Number.isSafeInteger(end)) refuse('an extent lies nowhere');
    return { offset, length };
  });
  if (at !== body.length) refuse('something stands behind its extents');
  return ranges;
}

function uuidBytes(id: string): Buffer {
  return Buffer.from(id.replaceAll('-', ''), 'hex');
}

function uuidText(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
