/**
 * A second reader of VHDX chains, written from [MS-VHDX] alone and as plainly as possible: whole structures in memory, one
 * sector at a time, no cache, nothing shared with the product. It judges what no other program at hand can open: a VHDX with a parent.
 */
import assert from 'node:assert/strict';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

const KB = 1024;
const MB = 1024 * KB;

/** CRC-32C, bit by bit through a table (Castagnoli polynomial, reflected). */
const crcTable = new Uint32Array(256).map((_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ crcTable[(crc ^ byte) & 0xff]!;
  return (crc ^ 0xffffffff) >>> 0;
}

function assertChecksum(bytes: Buffer, what: string): void {
  const copy = Buffer.from(bytes);
  copy.writeUInt32LE(0, 4);
  assert.equal(crc32c(copy), bytes.readUInt32LE(4), `checksum of ${what}`);
}

/** Registry text of a binary GUID. */
function guid(bytes: Buffer, at: number): string {
  const part = (from: number, to: number, swap: boolean): string => {
    const piece = Buffer.from(bytes.subarray(at + from, at + to));
    return (swap ? piece.reverse() : piece).toString('hex');
  };
  return `${part(0, 4, true)}-${part(4, 6, true)}-${part(6, 8, true)}-${part(8, 10, false)}-${part(10, 16, false)}`;
}

export class SecondReader {
  readonly path: string;
  readonly size: number;
  readonly blockSize: number;
  readonly sectorSize: number;
  readonly dataWriteGuid: string;
  readonly diskId: string;
  readonly parentLinkage: string | undefined;
  readonly parent: SecondReader | undefined;
  readonly #fd: number;
  readonly #fileSize: number;
  readonly #bat: Buffer;
  readonly #chunkRatio: number;

  constructor(path: string) {
    this.path = path;
    this.#fd = openSync(path, 'r');
    this.#fileSize = fstatSync(this.#fd).size;
    assert.equal(this.#read(0, 8).toString('latin1'), 'vhdxfile');
    const header = this.#currentHeader();
    assert.equal(guid(header, 48), '00000000-0000-0000-0000-000000000000', 'the log is empty');
    assert.equal(this.#fileSize % MB, 0, 'the length of the file is a multiple of 1 MB');
    this.dataWriteGuid = guid(header, 32);

    const regions = this.#regions();
    const metadata = this.#metadata(regions.get('8b7ca206-4790-4b9a-b8fe-575f050f886e')!.offset);
    const parameters = metadata.get('caa16737-fa36-4d43-b3b6-33f0aa44e76b')!;
    this.blockSize = parameters.readUInt32LE(0);
    this.size = Number(metadata.get('2fa54224-cd1b-4876-b211-5dbed83bf4b8')!.readBigUInt64LE());
    this.sectorSize = metadata.get('8141bf1d-a96f-4709-ba47-f233a8faab5f')!.readUInt32LE();
    this.diskId = guid(metadata.get('beca12ab-b2e6-4523-93ef-c309e000c746')!, 0);
    this.#chunkRatio = (2 ** 23 * this.sectorSize) / this.blockSize;

    const table = regions.get('2dc27766-f623-4200-9d64-115e9bfd4a08')!;
    this.#bat = this.#read(table.offset, table.length);
    this.#assertApart(header, [...regions.values()]);

    const hasParent = (parameters.readUInt32LE(4) & 2) !== 0;
    assert.equal(metadata.has('a8d35f2d-b30b-454d-abf7-d3d84834ab0c'), hasParent);
    if (!hasParent) return;
    const locator = this.#locator(metadata.get('a8d35f2d-b30b-454d-abf7-d3d84834ab0c')!);
    this.parentLinkage = locator.get('parent_linkage')!.replace(/[{}]/g, '');
    const relative = locator.get('relative_path')!.replaceAll('\\', '/');
    this.parent = new SecondReader(resolve(dirname(path), relative));
    assert.equal(
      this.parentLinkage,
      this.parent.dataWriteGuid,
      'parent_linkage is the DataWriteGuid of the parent',
    );
    assert.equal(this.diskId, this.parent.diskId, 'parent and child have one VirtualDiskId');
    assert.equal(this.sectorSize, this.parent.sectorSize);
  }

  close(): void {
    closeSync(this.#fd);
    this.parent?.close();
  }

  #read(offset: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    assert.ok(offset + length <= this.#fileSize, `${length} bytes at ${offset} lie in the file`);
    assert.equal(readSync(this.#fd, bytes, 0, length, offset), length);
    return bytes;
  }

  #currentHeader(): Buffer {
    const headers = [64 * KB, 128 * KB].map((offset) => this.#read(offset, 4 * KB));
    for (const header of headers) {
      assert.equal(header.toString('latin1', 0, 4), 'head');
      assertChecksum(header, 'a header');
      assert.equal(header.readUInt16LE(66), 1);
    }
    const [first, second] = headers as [Buffer, Buffer];
    return first.readBigUInt64LE(8) > second.readBigUInt64LE(8) ? first : second;
  }

  #regions(): Map<string, { offset: number; length: number }> {
    const table = this.#read(192 * KB, 64 * KB);
    assert.ok(table.equals(this.#read(256 * KB, 64 * KB)), 'the region tables are equal');
    assert.equal(table.toString('latin1', 0, 4), 'regi');
    assertChecksum(table, 'the region table');
    const regions = new Map<string, { offset: number; length: number }>();
    for (let index = 0; index < table.readUInt32LE(8); index += 1) {
      const at = 16 + index * 32;
      regions.set(guid(table, at), {
        offset: Number(table.readBigUInt64LE(at + 16)),
        length: table.readUInt32LE(at + 24),
      });
    }
    return regions;
  }

  #metadata(region: number): Map<string, Buffer> {
    const table = this.#read(region, 64 * KB);
    assert.equal(table.toString('latin1', 0, 8), 'metadata');
    const items = new Map<string, Buffer>();
    for (let index = 0; index < table.readUInt16LE(10); index += 1) {
      const at = 32 + index * 32;
      items.set(
        guid(table, at),
        this.#read(region + table.readUInt32LE(at + 16), table.readUInt32LE(at + 20)),
      );
    }
    return items;
  }

  #locator(item: Buffer): Map<string, string> {
    assert.equal(guid(item, 0), 'b04aefb7-d19e-4a81-b789-25b8e9445913');
    const pairs = new Map<string, string>();
    for (let index = 0; index < item.readUInt16LE(18); index += 1) {
      const at = 20 + index * 12;
      const text = (offset: number, length: number): string =>
        item.subarray(offset, offset + length).toString('utf16le');
      pairs.set(
        text(item.readUInt32LE(at), item.readUInt16LE(at + 8)),
        text(item.readUInt32LE(at + 4), item.readUInt16LE(at + 10)),
      );
    }
    return pairs;
  }

  #entry(index: number): { state: number; offset: number } {
    const value = this.#bat.readBigUInt64LE(index * 8);
    assert.equal((value >> 3n) & 0x1ffffn, 0n, 'reserved bits of a table entry are zero');
    return { state: Number(value & 7n), offset: Number(value >> 20n) * MB };
  }

  /** Every MB of the file belongs to one structure at most. */
  #assertApart(header: Buffer, regions: readonly { offset: number; length: number }[]): void {
    const used = new Set<number>([0]);
    const take = (offset: number, length: number): void => {
      assert.ok(offset + length <= this.#fileSize, 'every structure lies in the file');
      for (let at = offset; at < offset + length; at += MB) {
        assert.ok(!used.has(at / MB), `MB ${at / MB} is used twice`);
        used.add(at / MB);
      }
    };
    take(Number(header.readBigUInt64LE(72)), header.readUInt32LE(68));
    for (const region of regions) take(region.offset, region.length);
    const blocks = Math.ceil(this.size / this.blockSize);
    for (let block = 0; block < blocks; block += 1) {
      const entry = this.#entry(block + Math.floor(block / this.#chunkRatio));
      assert.ok([0, 1, 2, 3, 6, 7].includes(entry.state));
      if (entry.state >= 6) take(entry.offset, this.blockSize);
      if (block % this.#chunkRatio !== 0) continue;
      const chunk = Math.floor(block / this.#chunkRatio);
      const index = chunk * (this.#chunkRatio + 1) + this.#chunkRatio;
      if (index * 8 >= this.#bat.length) continue;
      const bitmap = this.#entry(index);
      if (bitmap.state === 6) take(bitmap.offset, MB);
    }
  }

  /** One sector of the disk as a guest sees it. */
  readSector(sector: number): Buffer {
    const offset = sector * this.sectorSize;
    if (offset >= this.size) return Buffer.alloc(this.sectorSize);
    const block = Math.floor(offset / this.blockSize);
    const { state, offset: place } = this.#entry(block + Math.floor(block / this.#chunkRatio));
    if (state === 6 || (state === 7 && this.#isPresent(sector))) {
      return this.#read(place + (offset % this.blockSize), this.sectorSize);
    }
    if ((state === 0 || state === 7) && this.parent) return this.parent.readSector(sector);
    return Buffer.alloc(this.sectorSize);
  }

  #isPresent(sector: number): boolean {
    const chunk = Math.floor(sector / 2 ** 23);
    const bitmap = this.#entry(chunk * (this.#chunkRatio + 1) + this.#chunkRatio);
    assert.equal(bitmap.state, 6, 'a partially present block has a bitmap');
    const bit = sector % 2 ** 23;
    return ((this.#read(bitmap.offset + Math.floor(bit / 8), 1)[0]! >> (bit % 8)) & 1) === 1;
  }

  readAll(): Buffer {
    return Buffer.concat(
      Array.from({ length: this.size / this.sectorSize }, (_, sector) => this.readSector(sector)),
    );
  }
}
