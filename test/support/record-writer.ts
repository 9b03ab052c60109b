/**
 * A guest of one sector: the BIOS starts it, and it writes the records 1, 2, 3, … one after the other into the sectors
 * behind its own, some eighteen a second; started again it goes on where the records end. The BIOS knows no flush, so QEMU
 * has each record on disk before the guest hears of it: whatever dies, no record is lost that a later one was written after.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type DiskSettings, VmSettings } from '@corral/api/schemas/vm-settings';
import type { ChainLayer } from '@corral/disk/chain';
import { ChainDisk } from '@corral/disk/chain-disk';
import { openLayer } from '@corral/disk/drivers';
import { createDisk } from '@corral/disk/verbs/create-disk';
import { hashContent } from '@corral/disk/verbs/hash-disk';
import { chainOf } from '@corral/host/chain/chain';

const sectorBytes = 512;
export const writerDiskBytes = 2 ** 20;

/**
 * In words: read the next sector; while it holds the number that is due, count on. Then for ever: fill a sector with the
 * number, write it (int 13h, function 43h), send a dot to the first serial port, count on, wait for the next tick.
 */
const program = Buffer.from(
  [
    '31c08ed88ec08ed0bc007c88166c7cfbe84c0066a16d7c6639060080750c66ff066d7c66ff06797cebe666a16d7cbf00',
    '80b98000fc66f3abb80043e824007210baf803b02eee66ff066d7c66ff06797c668b1e6c04f466391e6c0474f8ebcbb8',
    '00428a166c7cbe717ccd13c30001000000100001000080000001',
  ].join(''),
  'hex',
);

/** What the BIOS starts. */
export function bootSector(): Buffer {
  const sector = Buffer.alloc(sectorBytes);
  program.copy(sector);
  sector.writeUInt16LE(0xaa55, sectorBytes - 2);
  return sector;
}

/** A disk that boots into it, for `from` of a disk to create. */
export async function makeWriterDisk(path: string): Promise<void> {
  await createDisk(path, { format: 'qcow2', sizeBytes: writerDiskBytes });
  await using disk = await openLayer(path, { format: 'qcow2', readOnly: false });
  await disk.write(bootSector(), 0);
  await disk.flush();
}

export interface DiskContent {
  /** SHA-256 of all of it. */
  readonly hash: string;
  /** How many records there are; null if it holds anything but records 1, 2, … without a gap. */
  readonly records: number | null;
}

/** What a guest would read of the first disk, as `vm.json` of its folder has its chain. */
export function presentDisk(folder: string): DiskSettings | undefined {
  return VmSettings.parse(JSON.parse(readFileSync(resolve(folder, 'vm.json'), 'utf8'))).disks[0];
}

/** @param folder of the VM, to which the paths of the disk are relative */
export async function contentOf(folder: string, disk: DiskSettings): Promise<DiskContent> {
  const layers: ChainLayer[] = [];
  try {
    for (const { path, format } of chainOf(disk)) {
      const file = resolve(folder, path);
      layers.push({ path: file, disk: await openLayer(file, { format, readOnly: true }) });
    }
    const content = new ChainDisk(layers);
    return { records: await recordsOf(content), hash: await hashContent(content) };
  } finally {
    for (const { disk: layer } of layers) await layer.close();
  }
}

async function recordsOf(disk: ChainDisk): Promise<number | null> {
  if (disk.info.sizeBytes !== writerDiskBytes) return null;
  const content = Buffer.alloc(writerDiskBytes);
  await disk.read(content, 0);
  return recordsIn(content);
}

/** Of a plain file or device. */
export async function recordsOfFile(path: string): Promise<number | null> {
  return recordsIn(await readFile(path));
}

function recordsIn(content: Buffer): number | null {
  if (!content.subarray(0, sectorBytes).equals(bootSector())) return null;
  let records = 0;
  const isRecord = (number: number): boolean => {
    const sector = content.subarray(number * sectorBytes, (number + 1) * sectorBytes);
    return sector.equals(Buffer.alloc(sectorBytes, word(number)));
  };
  while (isRecord(records + 1)) records += 1;
  const rest = content.subarray((records + 1) * sectorBytes);
  return rest.equals(Buffer.alloc(rest.length)) ? records : null;
}

function word(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number);
  return bytes;
}
