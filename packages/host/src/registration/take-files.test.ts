import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { DataDirectory } from '../data-directory.ts';
import { sampleVm } from '../testing/sample-vm.ts';
import type { VmHost } from '../vm/vm-host.ts';
import { giveToUser } from './take-files.ts';

test("a link in place of a disk gives nobody another's file", async () => {
  const folder = await mkdtemp(join(tmpdir(), 'corral-take-'));
  try {
    const directory = new DataDirectory(folder);
    const vm = sampleVm();
    const disk = directory.resolveInVm(vm.id, vm.disks[0]!.path);
    const secret = join(folder, 'secret');
    await writeFile(secret, 'not for everybody', { mode: 0o640 });
    await mkdir(dirname(disk), { recursive: true });
    await symlink(secret, disk);
    await assert.rejects(giveToUser({ directory } as VmHost, [vm], null), { code: 'ELOOP' });
    assert.equal((await stat(secret)).mode & 0o777, 0o640);
    await rm(disk);
    await writeFile(disk, '');
    await giveToUser({ directory } as VmHost, [{ ...vm, disks: [vm.disks[0]!] }], null);
    assert.equal((await stat(disk)).mode & 0o777, 0o600);
  } finally {
    await rm(folder, { recursive: true });
  }
});
