/** The files of a kept chain are made one after another: what stops the work leaves whole layers, and it goes on there. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { DiskSettings } from '@corral/api/schemas/vm-settings';
import { newId } from '@corral/core/ids';
import { openChain } from '@corral/disk/chain';
import { createDisk } from '@corral/disk/verbs/create-disk';
import { hashDisk } from '@corral/disk/verbs/hash-disk';
import { type DiskMaking, makeDisk } from '@corral/host/vm/disk-files';
import { withFolder } from '../disk/qemu-img.ts';

const MiB = 2 ** 20;

interface Case {
  readonly disk: DiskSettings;
  readonly making: Extract<DiskMaking, { kind: 'chain' }>;
  /** Foreign files and our own, topmost first. */
  readonly sources: readonly string[];
  readonly targets: readonly string[];
}

async function makeCase(folder: string): Promise<Case> {
  const sources: string[] = [];
  for (const [index, name] of ['base.vhd', 'one.vhd', 'two.vhd'].entries()) {
    const path = join(folder, name);
    const parent = sources[0];
    await createDisk(path, { format: 'vhd', ...(parent ? { parent } : { sizeBytes: 8 * MiB }) });
    await using disk = await openChain(path, { readOnly: false });
    await disk.write(Buffer.alloc(MiB, index + 1), index * 3 * MiB + 512);
    sources.unshift(path);
  }
  const layers = ['two.qcow2', 'one.qcow2', 'base.qcow2'].map((name) => ({
    id: newId(),
    format: 'qcow2' as const,
    path: `disks/${name}`,
    shared: false,
    seal: null,
  }));
  const [top, ...parents] = layers;
  const disk: DiskSettings = {
    id: newId(),
    name: 'system',
    bus: 'virtio',
    format: 'qcow2',
    layerId: top!.id,
    path: top!.path,
    sizeBytes: 8 * MiB,
    parents,
    slot: 0,
    passThrough: false,
  };
  const files = sources.map((path) => ({ path, sizeBytes: 8 * MiB }));
  const making = { kind: 'chain', source: sources[0]!, sourceFormat: 'vhd', files } as const;
  const targets = layers.map(({ path }) => join(folder, path.slice('disks/'.length)));
  return { disk, making: { ...making, files }, sources, targets };
}

const make = (
  { disk, making, targets }: Case,
  signal: AbortSignal,
  onFile: (file: string | undefined) => void = () => undefined,
) => makeDisk(disk, targets[0]!, making, { uid: null, signal, onProgress: (_done, file) => onFile(file) });

test('a copy that is cancelled keeps the layers that are whole, and is finished by the next try', () =>
  withFolder(async (folder) => {
    const one = await makeCase(folder);
    const controller = new AbortController();
    const stopped = make(one, controller.signal, (file) => {
      if (file === one.sources[2]) controller.abort(new Error('enough'));
    });
    await assert.rejects(stopped, /enough/);
    const names = (await readdir(folder)).filter((name) => !name.endsWith('.vhd'));
    assert.deepEqual(names, ['base.qcow2'], 'no part of another is left');
    const { mtimeMs } = await stat(one.targets[2]!);

    const seen = new Set<string | undefined>();
    assert.equal(await make(one, new AbortController().signal, (file) => seen.add(file)), 'converted');
    assert.deepEqual([...seen], [one.sources[1], one.sources[0]], 'the first was not copied again');
    assert.equal((await stat(one.targets[2]!)).mtimeMs, mtimeMs);
    for (const [level, path] of one.targets.entries()) {
      assert.equal((await hashDisk(path)).sha256, (await hashDisk(one.sources[level]!)).sha256);
      assert.equal((await stat(path)).mode & 0o777, 0o600);
    }
    assert.equal(await make(one, new AbortController().signal), null, 'there is nothing left to do');
  }));

test('a chain that is another than planned is refused', () =>
  withFolder(async (folder) => {
    const one = await makeCase(folder);
    const shorter = { ...one.making, files: one.making.files.slice(0, 2) };
    const { signal } = new AbortController();
    await assert.rejects(make({ ...one, making: shorter }, signal), { code: 'vm.source-changed' });
    await writeFile(one.sources[2]!, 'no disk any more');
    await assert.rejects(make(one, signal), { code: 'disk.unknown-format' });
    assert.deepEqual(
      (await readdir(folder)).filter((name) => name.endsWith('.qcow2')),
      [],
    );
  }));
