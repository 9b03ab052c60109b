import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { VmSettings } from '@corral/api/schemas/vm-settings';
import { namePattern } from '@corral/core/ids';
import fc from 'fast-check';
import { CheckpointRecord } from '../checkpoint/checkpoint-record.ts';
import { samplePlan } from '../testing/sample-vm.ts';
import { DiskMaking } from './disk-files.ts';
import { keptNames, keptRecords, keptTimes, type SourceLayer } from './plan-kept-chains.ts';
import type { SourceFacts } from './plan-vm.ts';

const now = '2026-01-02T03:04:05.000Z';

/** @param names of files, topmost first */
function chainOfFiles(...names: readonly string[]): SourceLayer[] {
  return names.map((name, index) => ({
    path: `/from/${name}`,
    sizeBytes: 2 ** 30 - index * 2 ** 20,
    modifiedAt: `2025-01-0${9 - index}T00:00:00.000Z`,
    createdAt: null,
  }));
}

function keep(chains: Readonly<Record<string, readonly SourceLayer[]>>, format?: 'raw') {
  const sources = new Map<string, SourceFacts>(
    Object.values(chains).map((layers) => [
      layers[0]!.path,
      { format: 'vhdx', sizeBytes: layers[0]!.sizeBytes, layers },
    ]),
  );
  const disks = Object.entries(chains).map(([name, layers]) => ({
    name,
    from: layers[0]!.path,
    ...(format ? { format } : {}),
  }));
  return samplePlan({ disks, keepCheckpoints: true }, { sources, now });
}

const web = chainOfFiles('web_2.avhdx', 'web_1.avhdx', 'web.vhdx');

describe('the plan of a VM that keeps the checkpoints of foreign files', () => {
  it('has a layer for each file, the lowest where the disk is, and a making that names the files', () => {
    const { settings, makings } = keep({ system: web });
    assert.deepEqual(VmSettings.parse(settings), settings);
    const [disk] = settings.disks;
    assert.deepEqual(disk!.parents.map(({ path }) => path).at(-1), 'disks/system.qcow2');
    assert.equal(disk!.path, `disks/system.${disk!.layerId}.qcow2`);
    assert.equal(disk!.parents.length, 2);
    assert.equal(new Set([disk!.layerId, ...disk!.parents.map(({ id }) => id)]).size, 3);
    assert.deepEqual(DiskMaking.parse(makings['system']), {
      kind: 'chain',
      source: '/from/web_2.avhdx',
      sourceFormat: 'vhdx',
      files: web.map(({ path, sizeBytes }) => ({ path, sizeBytes })),
    });
  });

  it('makes each state below the newest a checkpoint, on the chain and of the size that it had', () => {
    const { settings, makings, checkpoints } = keep({ system: web });
    assert.deepEqual(
      checkpoints.map(({ name, createdAt }) => [name, createdAt]),
      [
        ['web', '2025-01-07T00:00:00.000Z'],
        ['web_1', '2025-01-08T00:00:00.000Z'],
      ],
    );
    const records = keptRecords(settings, makings, checkpoints);
    for (const record of records) assert.deepEqual(CheckpointRecord.parse(record), record);
    const [base, first] = records;
    assert.deepEqual([base!.parentId, first!.parentId], [null, base!.id]);
    const [present] = settings.disks;
    assert.deepEqual(first!.settings.disks[0], {
      ...present!,
      layerId: present!.parents[0]!.id,
      path: present!.parents[0]!.path,
      parents: present!.parents.slice(1),
      sizeBytes: web[1]!.sizeBytes,
    });
    assert.equal(base!.settings.disks[0]!.path, 'disks/system.qcow2');
    assert.equal(base!.settings.disks[0]!.sizeBytes, web[2]!.sizeBytes);
    assert.deepEqual([base!.type, base!.consistency, base!.memory], ['production', 'crash', null]);
    assert.match(base!.reason!, /\/from\/web\.vhdx/);
  });

  it('takes several disks whose files agree, and calls the checkpoints after those of the first', () => {
    const data = chainOfFiles('data_2.avhdx', 'data_1.avhdx', 'data.vhdx');
    const { settings, makings, checkpoints } = keep({ system: web, data });
    assert.deepEqual(
      checkpoints.map(({ name }) => name),
      ['web', 'web_1'],
    );
    const [base] = keptRecords(settings, makings, checkpoints);
    assert.deepEqual(
      base!.settings.disks.map(({ path }) => path),
      ['disks/system.qcow2', 'disks/data.qcow2'],
    );
    assert.match(base!.reason!, /web\.vhdx, \/from\/data\.vhdx/);
  });

  it('refuses disks that come from another number of files, and names disks and numbers', () => {
    const data = chainOfFiles('data_1.avhdx', 'data.vhdx');
    assert.throws(() => keep({ system: web, data }), {
      code: 'vm.chains-differ',
      message: /disk "system" comes from 3, disk "data" comes from 2.*"corral vm disk add"/,
    });
    const sources = new Map<string, SourceFacts>([
      ['/from/web_2.avhdx', { format: 'vhdx', sizeBytes: 2 ** 30, layers: web }],
    ]);
    const disks = [
      { name: 'system', from: '/from/web_2.avhdx' },
      { name: 'log', sizeBytes: 2 ** 20 },
    ];
    assert.throws(() => samplePlan({ disks, keepCheckpoints: true }, { sources }), {
      code: 'vm.chains-differ',
      message: /disk "system" comes from 3, disk "log" comes from none/,
    });
  });

  it('refuses when there is nothing to keep', () => {
    assert.throws(() => keep({ system: chainOfFiles('web.vhdx') }), { code: 'vm.nothing-to-keep' });
    assert.throws(() => samplePlan({ keepCheckpoints: true }), { code: 'vm.nothing-to-keep' });
    assert.throws(() => samplePlan({ disks: [], keepCheckpoints: true }), { code: 'vm.nothing-to-keep' });
  });

  it('refuses a raw disk, and a file that is smaller than its parent', () => {
    assert.throws(() => keep({ system: web }, 'raw'), { code: 'vm.bad-disk', message: /qcow2, not raw/ });
    const [top, ...below] = web;
    assert.throws(() => keep({ system: [{ ...top!, sizeBytes: 512 }, ...below] }), {
      code: 'vm.bad-disk',
      message: /web_2\.avhdx is smaller than its parent \/from\/web_1\.avhdx/,
    });
  });
});

describe('the names of kept checkpoints', () => {
  it('are those of the files, made valid and different', () => {
    assert.deepEqual(
      keptNames([
        '/a/base.vhdx',
        '/b/base.vhd',
        '/a/Vor dem Update (2).avhdx',
        '/a/-.qcow2',
        '/a/6d2b79f5-0000-4000-8000-00000000abcd.avhdx',
      ]),
      ['base', 'base-2', 'Vor-dem-Update-2', 'disk', 'disk-6d2b79f5-0000-4000-8000-00000000abcd'],
    );
  });

  it('are always valid and different', () => {
    const path = fc.oneof(
      fc.string({ maxLength: 90 }),
      fc.constantFrom('x'.repeat(80), 'é/ü.vhd', 'a.vhd', 'a'),
    );
    fc.assert(
      fc.property(fc.array(path, { maxLength: 12 }), (paths) => {
        const names = keptNames(paths);
        assert.equal(new Set(names).size, paths.length);
        for (const name of names) assert.match(name, namePattern);
      }),
    );
  });
});

describe('the times of kept checkpoints', () => {
  it('are those that the file above remembers, else those of the last write', () => {
    const [top, middle, base] = web as [SourceLayer, SourceLayer, SourceLayer];
    const remembered = { ...middle, createdAt: '2025-01-06T12:00:00.000Z' };
    assert.deepEqual(keptTimes([[top, remembered, base]], now), [
      '2025-01-08T00:00:00.000Z',
      '2025-01-06T12:00:00.000Z',
    ]);
  });

  it('never run backwards, and never ahead of the clock', () => {
    const time = fc.date({ min: new Date(0), max: new Date('2136-01-01'), noInvalidDate: true });
    const chain = fc.array(fc.record({ modifiedAt: time, createdAt: fc.option(time) }), {
      minLength: 2,
      maxLength: 5,
    });
    fc.assert(
      fc.property(chain, (files) => {
        const layers = files.map(({ modifiedAt, createdAt }) => ({
          path: '/x',
          sizeBytes: 512,
          modifiedAt: modifiedAt.toISOString(),
          createdAt: createdAt?.toISOString() ?? null,
        }));
        const times = [now, ...keptTimes([layers], now)];
        for (const [index, each] of times.slice(1).entries()) assert.ok(each < times[index]!);
      }),
    );
  });
});
