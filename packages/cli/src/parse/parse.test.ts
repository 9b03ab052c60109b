import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import test from 'node:test';
import { DiskSource, PortSource } from '@corral/api/schemas/vm';
import fc from 'fast-check';
import { parseAutostart } from './autostart.ts';
import { parseBootOrder } from './boot-order.ts';
import { parseDiskSource } from './disk-source.ts';
import { parseVariable } from './environment-variable.ts';
import { hostPath } from './host-path.ts';
import { wholeNumber } from './numbers.ts';
import { parseNetworkChoice, parsePortSource } from './port-source.ts';
import { isSshKey, sshKeysIn } from './ssh-key.ts';

const GiB = 2 ** 30;
const refused = { code: /^(cli\.|unit\.)/ };

test('a disk is blank, a copy or a device', () => {
  const cases: readonly (readonly [string, DiskSource])[] = [
    ['data=1GiB', { name: 'data', sizeBytes: GiB }],
    ['data=1.5G,format=qcow2', { name: 'data', sizeBytes: 1.5 * GiB, format: 'qcow2' }],
    ['data=1GiB,format=ext4', { name: 'data', sizeBytes: GiB, filesystem: 'ext4' }],
    ['data=1GiB,bus=sata,format=raw', { name: 'data', sizeBytes: GiB, bus: 'sata', format: 'raw' }],
    ['old=from:/srv/a=b,,c.vhdx,size=2GiB', { name: 'old', from: '/srv/a=b,c.vhdx', sizeBytes: 2 * GiB }],
    ['lun=device:/dev/disk/by-id/x,bus=virtio', { name: 'lun', device: '/dev/disk/by-id/x', bus: 'virtio' }],
  ];
  for (const [text, expected] of cases) {
    assert.deepEqual(parseDiskSource(text), expected, text);
    DiskSource.parse(parseDiskSource(text));
  }
});

test('a disk that says nothing sensible is refused', () => {
  const texts = [
    '',
    'data',
    'data=',
    '=1GiB',
    'data=big',
    'data=1GiB,',
    'data=1GiB,format',
    'data=1GiB,format=vhdx',
    'data=1GiB,format=raw,format=raw',
    'data=1GiB,colour=red',
    'data=1GiB,bus=scsi',
    'data=1GiB,size=2GiB',
    'data=from:',
    'data=from:x,format=ext4',
    'data=device:/etc/passwd',
    'data=device:/dev/sdb,format=raw',
    '../etc=1GiB',
    'a name=1GiB',
    'aaaaaaaaaaaaaaaaaaaaa=1GiB',
  ];
  for (const text of texts) assert.throws(() => parseDiskSource(text), refused, text);
});

test('whatever is typed, a disk is refused or one that the API takes', () => {
  const piece = fc.constantFrom(
    'data',
    '=',
    ',',
    ',,',
    '1GiB',
    'from:',
    'device:',
    '/dev/x',
    'format=',
    'ext4',
    'raw',
    'bus=',
    'sata',
    'size=',
    ' ',
    '..',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 10 }), (pieces) => {
      const text = pieces.join('');
      let parsed: DiskSource;
      try {
        parsed = parseDiskSource(text);
      } catch (error) {
        assert.match((error as { code: string }).code, refused.code);
        return;
      }
      // A file's path is made absolute afterwards, where it is known on which host it lies.
      DiskSource.parse({ ...parsed, ...(parsed.from !== undefined && { from: resolve('/', parsed.from) }) });
    }),
  );
});

test('a network is user, a bridge or none', () => {
  assert.deepEqual(parsePortSource('user'), { network: 'user' });
  const full = parsePortSource('bridge:br0,model=e1000,name=lan');
  assert.deepEqual(full, { network: 'bridge:br0', model: 'e1000', name: 'lan' });
  PortSource.parse(full);
  assert.equal(parseNetworkChoice('none'), 'none');
  for (const text of [
    '',
    'none,model=virtio',
    'bridge:',
    'bridge:a b',
    'nat',
    'user,model=x',
    'user,name=',
    'user,x=1',
  ]) {
    assert.throws(() => parseNetworkChoice(text), refused, text);
  }
});

test('an order of starting may have a delay', () => {
  assert.deepEqual(parseAutostart('10'), { order: 10, delayMs: 0 });
  assert.deepEqual(parseAutostart('0:30s'), { order: 0, delayMs: 30_000 });
  for (const text of ['', '-1', '10000', '1:', '1:2h', '1:x', 'a']) {
    assert.throws(() => parseAutostart(text), refused, text);
  }
});

test('a boot order names each device once', () => {
  assert.deepEqual(parseBootOrder('cdrom,disk:root,port:nic0'), ['cdrom', 'disk:root', 'port:nic0']);
  for (const text of ['', 'disk:', 'floppy', 'cdrom,cdrom', 'cdrom,']) {
    assert.throws(() => parseBootOrder(text), refused, text);
  }
});

test('numbers are whole and within bounds', () => {
  const cpus = wholeNumber('a number', 1, 8);
  assert.equal(cpus('8'), 8);
  for (const text of ['0', '9', '1.5', '-1', '1e1', '', ' 1', '0x1'])
    assert.throws(() => cpus(text), refused, text);
});

test('a variable of the environment keeps what is behind the first =', () => {
  assert.deepEqual(parseVariable('A=b=c\nd'), ['A', 'b=c\nd']);
  assert.deepEqual(parseVariable('A='), ['A', '']);
  for (const text of ['A', '=b', '1A=b', 'A B=c']) assert.throws(() => parseVariable(text), refused, text);
});

test('an SSH key is a public one', () => {
  const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDkf9E someone@somewhere';
  assert.ok(isSshKey(key));
  assert.ok(!isSshKey('/root/.ssh/id_ed25519.pub'));
  assert.deepEqual(sshKeysIn(`# mine\n\n${key}\n  ${key}\n`, 'f'), [key, key]);
  for (const text of ['', '# none\n', '-----BEGIN OPENSSH PRIVATE KEY-----\n', `${key}\nrubbish`]) {
    assert.throws(() => sshKeysIn(text, 'f'), { code: 'cli.file' }, text);
  }
});

test('a path of the host is absolute; beside the daemon it may be relative to here', () => {
  assert.equal(hostPath('a/../b.iso', true, '/srv'), '/srv/b.iso');
  assert.equal(hostPath('/x.iso', false, '/srv'), '/x.iso');
  assert.throws(() => hostPath('b.iso', false, '/srv'), refused);
});
