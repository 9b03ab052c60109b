import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { readGroupFigures } from './group-figures.ts';

test('figures come from the files of the group, for a process that is in it', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'corral-group-'));
  t.after(() => rm(root, { recursive: true }));
  const files = {
    'proc/11/cgroup': '0::/corral.slice/corral-vm-7d1f.scope\n',
    'proc/12/cgroup': '0::/system.slice/corrald.service\n',
    'sys/fs/cgroup/corral.slice/corral-vm-7d1f.scope/memory.current': '123456\n',
    'sys/fs/cgroup/corral.slice/corral-vm-7d1f.scope/cpu.stat': 'usage_usec 99\nthrottled_usec 2500000\n',
    'sys/fs/cgroup/corral.slice/corral-vm-7d1f.scope/memory.events': 'oom 3\noom_kill 1\n',
  };
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(root, path, '..'), { recursive: true });
    await writeFile(join(root, path), text);
  }
  const expected = { memoryBytes: 123_456, throttledSeconds: 2.5, outOfMemoryKills: 1 };
  assert.deepEqual(await readGroupFigures(11, '7d1f', root), expected);
  assert.equal(await readGroupFigures(12, '7d1f', root), null);
  assert.equal(await readGroupFigures(13, '7d1f', root), null, 'it has ended');
  await rm(join(root, 'sys'), { recursive: true });
  assert.equal(await readGroupFigures(11, '7d1f', root), null, 'its group has gone with it');
});
