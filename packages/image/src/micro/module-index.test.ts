import assert from 'node:assert/strict';
import test from 'node:test';
import { aliasIndex, dependencyIndex, type ModuleFile } from './module-index.ts';
import { moduleName, parseModuleInfo } from './module-info.ts';

function table(entries: Readonly<Record<string, readonly string[]>>): ReadonlyMap<string, ModuleFile> {
  return new Map(
    Object.entries(entries).map(([name, depends]) => [
      name,
      { name, path: `kernel/${name}.ko`, depends, aliases: [`virtio:d0000${name}v*`] },
    ]),
  );
}

test('reads what a module says of itself', () => {
  const module = Buffer.from(
    'ELF\0\0alias=virtio:d00000002v*\0license=GPL\0depends=virtio-ring,virtio\0alias=x\0retpoline=Y\0',
  );
  assert.deepEqual(parseModuleInfo(module), {
    depends: ['virtio_ring', 'virtio'],
    aliases: ['virtio:d00000002v*', 'x'],
  });
  assert.deepEqual(parseModuleInfo(Buffer.from('ELF\0depends=\0')), { depends: [], aliases: [] });
});

test('a file name and a module name are one', () => {
  assert.equal(moduleName('virtio-rng.ko'), 'virtio_rng');
  assert.equal(moduleName('virtio_net.ko.xz'), 'virtio_net');
});

test('every dependency comes before all that need it, read from the end', () => {
  const index = dependencyIndex(
    table({ net: ['failover', 'ring'], failover: ['core'], ring: ['core'], core: [] }),
  );
  const line = index.split('\n').find((each) => each.startsWith('kernel/net.ko:'))!;
  const order = line.split(' ').slice(1).toReversed();
  assert.equal(order[0], 'kernel/core.ko');
  assert.deepEqual(order.toSorted(), ['kernel/core.ko', 'kernel/failover.ko', 'kernel/ring.ko']);
});

test('a dependency that is built in is left out', () => {
  assert.equal(dependencyIndex(table({ blk: ['virtio'] })), 'kernel/blk.ko:\n');
});

test('a pattern leads to its module', () => {
  assert.equal(aliasIndex(table({ blk: [] })), 'alias virtio:d0000blkv* blk\n');
});
