import assert from 'node:assert/strict';
import test from 'node:test';
import { parseLoaderList } from './libraries.ts';

test('the loader tells where each library is, or that it is missing', () => {
  const output = `\tlinux-vdso.so.1 (0x00007ffc4a5f2000)
\tlibudev.so.1 => /root/lib/libudev.so.1 (0x00007f2c3a400000)
\tlibgone.so.1 => not found
\t/lib64/ld-linux-x86-64.so.2 (0x00007f2c3a6e1000)
`;
  assert.deepEqual(
    [...parseLoaderList(output)],
    [
      ['libudev.so.1', '/root/lib/libudev.so.1'],
      ['libgone.so.1', undefined],
    ],
  );
});
