import assert from 'node:assert/strict';
import test from 'node:test';
import { packageClosure } from './package-closure.ts';

const output = `qemu-guest-agent
 PreDepends: init-system-helpers
  Depends: libc6
  Depends: libglib2.0-0
libc6
  Depends: libgcc-s1
libglib2.0-0
  Depends: libc6
  Depends: libpcre2-8-0
 |Depends: libalternative1
  Depends: <libvirtual1>
    libreal1
init-system-helpers
  Depends: perl-base
perl-base
  Depends: libcrypt1
libgcc-s1
  Depends: gcc-12-base
libpcre2-8-0
`;

test('follows dependencies by name, and none that only an ignored package needs', () => {
  assert.deepEqual(packageClosure(output, ['qemu-guest-agent'], /^lib/), [
    'libalternative1',
    'libc6',
    'libgcc-s1',
    'libglib2.0-0',
    'libpcre2-8-0',
    'qemu-guest-agent',
  ]);
});

test('roots are there though nothing is followed', () => {
  assert.deepEqual(packageClosure(output, ['qemu-guest-agent'], /^$/), ['qemu-guest-agent']);
});
