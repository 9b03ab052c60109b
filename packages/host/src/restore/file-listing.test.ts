import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseFile, parseListing } from './file-listing.ts';

const listing = (names: string, attributes: string) =>
  parseListing(Buffer.from(names), Buffer.from(attributes));

describe('a listing from the helper VM', () => {
  it('is sorted, and names may hold anything but a slash', () => {
    const names = '/mnt/b\0/mnt/a\nb\0/mnt/l\0/mnt/p\0';
    assert.deepEqual(listing(names, '41ed 4096 0\n81a4 12 1700000000\na1ff 3 0\n11a4 0 0\n'), [
      { name: 'a\nb', type: 'file', sizeBytes: 12, modifiedAt: '2023-11-14T22:13:20.000Z' },
      { name: 'b', type: 'directory', sizeBytes: 4096, modifiedAt: '1970-01-01T00:00:00.000Z' },
      { name: 'l', type: 'link', sizeBytes: 3, modifiedAt: '1970-01-01T00:00:00.000Z' },
      { name: 'p', type: 'other', sizeBytes: 0, modifiedAt: '1970-01-01T00:00:00.000Z' },
    ]);
  });

  it('of nothing is empty', () => assert.deepEqual(listing('', ''), []));

  for (const [names, attributes] of [
    ['a\0', ''],
    ['a\0', '81a4 12 0\n81a4 12 0\n'],
    ['a\0', '81a4 -1 0\n'],
    ['a\0', 'zzzz 1 0\n'],
    ['a\0', '81a4 99999999999999999999 0\n'],
  ] as const) {
    it(`is refused when it says ${JSON.stringify(attributes)}`, () => {
      assert.equal(listing(names, attributes), null);
    });
  }
});

describe('a file in the helper VM', () => {
  it('has a size and a path', () => {
    assert.deepEqual(parseFile(Buffer.from('12\n/mnt/a\nb')), { sizeBytes: 12, path: '/mnt/a\nb' });
  });

  for (const output of ['', '12', 'x\n/mnt/a', '12\nmnt', '-1\n/a']) {
    it(`is refused when it says ${JSON.stringify(output)}`, () => {
      assert.equal(parseFile(Buffer.from(output)), null);
    });
  }
});
