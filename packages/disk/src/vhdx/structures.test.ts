/** Encoders and parsers of a VHDX's small structures: round trips, and what they refuse. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import fc from 'fast-check';
import { BatLayout, readEntry, reservedBits, writeEntry } from './block-table.ts';
import { checksumIsRight, sealChecksum } from './checksum.ts';
import { readGuid, writeGuid, zeroGuid } from './guid.ts';
import {
  currentHeader,
  encodeHeader,
  encodeIdentifier,
  parseHeader,
  readCreator,
  type VhdxHeader,
} from './header.ts';
import { MiB } from './limits.ts';
import { decodeMetadata, encodeItems, encodeMetadataRegion, items, parseMetadataTable } from './metadata.ts';
import { encodeParentLocator, locatorFor, parseParentLocator } from './parent-locator.ts';
import { batGuid, encodeRegionTable, metadataGuid, parseRegionTable } from './region-table.ts';

const path = 'disk.vhdx';
const corrupt = (cause: unknown): boolean => isCorralError(cause, 'disk.corrupt');
const unsupported = (cause: unknown): boolean => isCorralError(cause, 'disk.unsupported-feature');

const header: VhdxHeader = {
  sequenceNumber: 7n,
  fileWriteGuid: '00112233-4455-6677-8899-aabbccddeeff',
  dataWriteGuid: '10112233-4455-6677-8899-aabbccddeeff',
  logGuid: zeroGuid,
  logVersion: 0,
  version: 1,
  logLength: MiB,
  logOffset: MiB,
};

test('GUIDs keep Microsoft byte order and survive a round trip', () => {
  const bytes = Buffer.alloc(16);
  writeGuid(bytes, '2dc27766-f623-4200-9d64-115e9bfd4a08', 0);
  assert.equal(bytes.toString('hex'), '6677c22d23f600429d64115e9bfd4a08');
  fc.assert(
    fc.property(fc.uuid(), (guid) => {
      writeGuid(bytes, guid, 0);
      assert.equal(readGuid(bytes, 0), guid);
    }),
  );
});

test('the checksum is CRC-32C with its field taken as zero', () => {
  const bytes = Buffer.from('12345678____9');
  bytes.fill(0, 8, 12);
  sealChecksum(bytes, 8);
  assert.ok(checksumIsRight(bytes, 8));
  bytes[0]! ^= 1;
  assert.equal(checksumIsRight(bytes, 8), false);
});

test('the header with the higher sequence number rules; a damaged one does not count', () => {
  const older = encodeHeader(header);
  const newer = encodeHeader({ ...header, sequenceNumber: 8n });
  assert.deepEqual(parseHeader(older), header);
  assert.equal(currentHeader([older, newer], path).slot, 1);
  assert.equal(currentHeader([newer, older], path).slot, 0);
  assert.equal(currentHeader([older, older], path).slot, 0);
  newer[100]! ^= 1;
  assert.deepEqual(currentHeader([older, newer], path), { header, slot: 0, both: false });
  assert.throws(() => currentHeader([newer, newer], path), corrupt);
});

test('headers that contradict each other, and versions to come, are refused', () => {
  const other = encodeHeader({ ...header, dataWriteGuid: header.fileWriteGuid });
  assert.throws(() => currentHeader([encodeHeader(header), other], path), corrupt);
  const version2 = encodeHeader({ ...header, version: 2 });
  assert.throws(() => currentHeader([version2, version2], path), unsupported);
  const newLog = encodeHeader({ ...header, logVersion: 1, logGuid: header.fileWriteGuid });
  assert.throws(() => currentHeader([newLog, newLog], path), unsupported);
  for (const wrong of [{ logOffset: 4096 }, { logOffset: 0 }, { logLength: 4096 }, { logOffset: 2 ** 60 }]) {
    const bytes = encodeHeader({ ...header, ...wrong });
    assert.throws(() => currentHeader([bytes, bytes], path), corrupt);
  }
});

test('the creator is read as text that a terminal can bear', () => {
  assert.equal(readCreator(encodeIdentifier('Corral')), 'Corral');
  assert.equal(readCreator(encodeIdentifier('a\u001b[2Jb')), 'a?[2Jb');
});

test('a region table survives a round trip; what overlaps or is unknown and required is refused', () => {
  const regions = [
    { guid: batGuid, offset: 3 * MiB, length: MiB, required: true },
    { guid: metadataGuid, offset: 2 * MiB, length: MiB, required: false },
  ];
  assert.deepEqual(parseRegionTable(encodeRegionTable(regions), path), regions);
  const [first] = regions;
  const refused = (region: Partial<(typeof regions)[0]>, how = corrupt): void => {
    assert.throws(() => parseRegionTable(encodeRegionTable([{ ...first!, ...region }]), path), how);
  };
  refused({ offset: 0 });
  refused({ offset: 4096 });
  refused({ length: 4096 });
  refused({ guid: header.fileWriteGuid }, unsupported);
  assert.throws(() => parseRegionTable(encodeRegionTable([first!, first!]), path), corrupt);
  const many = encodeRegionTable(regions);
  many.writeUInt32LE(2048, 8);
  assert.throws(() => parseRegionTable(many, path), corrupt);
});

const metadata = {
  blockBytes: 2 * MiB,
  leaveBlockAllocated: false,
  sizeBytes: 5 * MiB,
  diskId: header.fileWriteGuid,
  logicalSectorBytes: 512,
  physicalSectorBytes: 4096,
};

const locator = {
  linkage: header.dataWriteGuid,
  linkage2: undefined,
  paths: [
    { kind: 'relative', path: '.\\parent.vhdx' },
    { kind: 'absolute', path: 'C:\\disks\\parent.vhdx' },
  ],
} as const;

test('metadata survives a round trip', () => {
  const contents = encodeItems(metadata, encodeParentLocator(locator));
  const region = encodeMetadataRegion(contents, MiB);
  const read = new Map<string, Buffer>();
  for (const entry of parseMetadataTable(region, MiB, path)) {
    read.set(entry.itemId, region.subarray(entry.offset, entry.offset + entry.length));
  }
  assert.deepEqual(decodeMetadata(read, path), { ...metadata, parent: locator });
});

test('metadata items with absurd places, lengths or values are refused', () => {
  const region = encodeMetadataRegion(encodeItems(metadata, undefined), MiB);
  const changed = (at: number, value: number): Buffer => {
    const copy = Buffer.from(region);
    copy.writeUInt32LE(value, at);
    return copy;
  };
  for (const [at, value] of [
    [48, 0],
    [48, 2 ** 20],
    [52, 2 ** 31],
    [52, 9],
    [48, 65_540],
  ] as const) {
    assert.throws(() => parseMetadataTable(changed(at, value), MiB, path), corrupt, `${value} at ${at}`);
  }
  assert.throws(() => parseMetadataTable(changed(32, 1), MiB, path), unsupported);
  const item = (id: string, bytes: Buffer): ReadonlyMap<string, Buffer> =>
    new Map(encodeItems(metadata, undefined)).set(id, bytes);
  const u64 = (value: bigint): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(value);
    return bytes;
  };
  for (const size of [0n, 511n, 2n ** 46n + 512n, 2n ** 64n - 512n]) {
    assert.throws(() => decodeMetadata(item(items.virtualDiskSize, u64(size)), path), corrupt);
  }
  for (const block of [0n, 2n ** 19n, 3n * 2n ** 20n, 2n ** 29n]) {
    assert.throws(() => decodeMetadata(item(items.fileParameters, u64(block)), path), corrupt);
  }
  assert.throws(() => decodeMetadata(item(items.fileParameters, u64(2n ** 20n + 2n ** 33n)), path), corrupt);
});

test('parent locators are bounded, and odd ones refused', () => {
  const good = encodeParentLocator(locator);
  assert.deepEqual(parseParentLocator(good, path), locator);
  const changed = (at: number, value: number): Buffer => {
    const copy = Buffer.from(good);
    copy.writeUInt16LE(value, at);
    return copy;
  };
  for (const [at, value] of [
    [18, 65],
    [18, 0],
    [20, 9999],
    [28, 0],
    [28, 7],
    [30, 65_535],
  ] as const) {
    assert.throws(() => parseParentLocator(changed(at, value), path), corrupt, `${value} at ${at}`);
  }
  assert.throws(() => parseParentLocator(changed(0, 1), path), unsupported);
  assert.throws(() => parseParentLocator(good.subarray(0, 10), path), corrupt);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
      const bytes = Buffer.concat([good.subarray(0, 16), noise]);
      try {
        parseParentLocator(bytes, path);
      } catch (cause) {
        if (!isCorralError(cause)) throw cause;
      }
    }),
  );
});

test('a link is stored as Windows writes it', () => {
  const identity = { dataWriteId: header.dataWriteGuid };
  const link = { paths: [{ kind: 'relative', path: '../base/p.vhdx' }] as const, identity };
  assert.equal(locatorFor(link).paths[0]?.path, '..\\base\\p.vhdx');
  assert.equal(
    locatorFor({ ...link, paths: [{ kind: 'relative', path: 'p.vhdx' }] }).paths[0]?.path,
    '.\\p.vhdx',
  );
  const refused = (cause: unknown): boolean => isCorralError(cause, 'disk.unsupported-option');
  assert.throws(() => locatorFor({ ...link, format: 'vhd' }), refused);
  assert.throws(() => locatorFor({ paths: link.paths }), refused);
  assert.throws(() => locatorFor({ paths: [], identity }), refused);
});

test('table entries survive a round trip up to 64 TiB', () => {
  const bytes = Buffer.alloc(8);
  fc.assert(
    fc.property(
      fc.constantFrom(0, 1, 2, 3, 6, 7),
      fc.integer({ min: 0, max: 2 ** 27 - 1 }),
      (state, offsetMiB) => {
        const entry = { state, fileOffset: offsetMiB * MiB };
        writeEntry(bytes, entry, 0);
        assert.deepEqual(readEntry(bytes, 0), entry);
        assert.equal(reservedBits(bytes, 0), 0);
      },
    ),
  );
});

test('the layout of the table follows the formulas of the specification', () => {
  const shape = fc.record({
    blockBytes: fc.integer({ min: 20, max: 28 }).map((power) => 2 ** power),
    logicalSectorBytes: fc.constantFrom(512, 4096),
    sectors: fc.integer({ min: 1, max: 2 ** 30 }),
    hasParent: fc.boolean(),
  });
  fc.assert(
    fc.property(shape, ({ blockBytes, logicalSectorBytes, sectors, hasParent }) => {
      const sizeBytes = sectors * 4096;
      const layout = new BatLayout({ blockBytes, logicalSectorBytes, sizeBytes }, hasParent);
      const blocks = Math.ceil(sizeBytes / blockBytes);
      const ratio = (2 ** 23 * logicalSectorBytes) / blockBytes;
      const expected = hasParent
        ? Math.ceil(blocks / ratio) * (ratio + 1)
        : blocks + Math.floor((blocks - 1) / ratio);
      assert.equal(layout.entries, expected);
      const last = layout.payloadIndex(blocks - 1);
      assert.equal(layout.blockOfIndex(last), blocks - 1);
      assert.ok(last < layout.entries);
      assert.equal(layout.blockOfIndex(layout.bitmapIndex(0)), undefined);
      assert.equal(layout.bitmapBytes * ratio, MiB);
    }),
  );
});
