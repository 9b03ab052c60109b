import assert from 'node:assert/strict';
import { appendFile, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { newId } from '@corral/core/ids';
import { stepOf, withFilesHost } from '../testing/files-host.ts';
import { sampleCheckpoint, sampleState, vmOn } from '../testing/sample-chains.ts';
import type { VmHost } from '../vm/vm-host.ts';
import { volumeErrors } from '../volume/errors.ts';
import { chainOf, withSeal } from './chain.ts';
import type { MergeRequest } from './chain-keeper.ts';
import { withChains } from './chain-records.ts';
import { vmMerge } from './merge-operation.ts';
import { lookAtTops } from './resting-tops.ts';
import { brokenSeal, sealOf } from './seal.ts';

const [top, above, upper, lower, base] = [newId(), newId(), newId(), newId(), newId()];
const layers = [top, above, upper, lower, base];
const present = vmOn(layers);
const { id: vmId, name: vmName } = present;
const { id: diskId, name: diskName } = present.disks[0]!;
const of = (layerId: string) => chainOf(present.disks[0]!).find(({ id }) => id === layerId)!;
const request: MergeRequest = { vmId, vmName, diskId, diskName, upper: of(upper), lower: of(lower) };
/** A checkpoint needs what each layer holds, but the lower one. */
const state = sampleState(
  present,
  [above, upper, base].map((id) => sampleCheckpoint(newId(), layers.slice(layers.indexOf(id)))),
);

const pathOf = (host: VmHost, id: string): string => host.directory.resolveInVm(vmId, of(id).path);

/** All of it sealed as it lies there. */
async function sealAll(host: VmHost): Promise<void> {
  for (const id of layers.slice(1)) {
    const seal = await sealOf(pathOf(host, id));
    await host.chainRecords.change(vmId, (before) =>
      withChains(before, diskId, (chain) => withSeal(chain, id, seal)),
    );
  }
  const resting = await lookAtTops(host.directory, await host.records.get(vmId));
  await host.records.update(vmId, (record) => ({ ...record, resting }));
}

const merge = (host: VmHost) =>
  stepOf(
    vmMerge(host, {
      liveBytesPerSecond: 0,
      saveChanges: async () => undefined,
      rewriteFiles: async () => undefined,
    }),
    'begin',
  );

async function sealInRecord(host: VmHost, id: string) {
  const { vm } = await host.chainRecords.read(vmId);
  return chainOf(vm.settings.disks[0]!).find((layer) => layer.id === id)!.seal;
}

describe('the seal of a layer that is merged into', () => {
  const files = layers.map((id) => `${id}.qcow2`);

  it('is lifted, and taken anew when the merge is undone', async () => {
    await withFilesHost(state, files, async ({ host }) => {
      await sealAll(host);
      assert.deepEqual(await merge(host).run({ input: request }), { still: true });
      assert.equal(await sealInRecord(host, lower), null);
      await writeFile(pathOf(host, lower), 'what was copied so far');
      await merge(host).undo({ input: request });
      assert.equal(await brokenSeal(pathOf(host, lower), await sealInRecord(host, lower)), null);
    });
  });

  for (const touched of [above, upper, lower, base]) {
    const name = ['top', 'layer above', 'upper', 'lower', 'lowest'][layers.indexOf(touched)];
    it(`stays, and with it what tells of the edit, when somebody has edited the ${name} one`, async () => {
      await withFilesHost(state, files, async ({ host }) => {
        await sealAll(host);
        await appendFile(pathOf(host, touched), 'x');
        await assert.rejects(merge(host).run({ input: request }), {
          code: 'chain.layer-touched',
          message: new RegExp(touched),
        });
        await merge(host).undo({ input: request });
        assert.ok(await brokenSeal(pathOf(host, touched), await sealInRecord(host, touched)));
      });
    });
  }

  it('stays where the top of a VM that is off was edited, which is about to be merged', async () => {
    const two = sampleState(vmOn([top, lower]), []);
    const topMerge = { ...request, upper: of(top) };
    await withFilesHost(two, files, async ({ host }) => {
      const seal = await sealOf(pathOf(host, lower));
      await host.chainRecords.change(vmId, (before) =>
        withChains(before, diskId, (chain) => withSeal(chain, lower, seal)),
      );
      const resting = await lookAtTops(host.directory, await host.records.get(vmId));
      await host.records.update(vmId, (record) => ({ ...record, resting }));
      await appendFile(pathOf(host, top), 'x');
      await assert.rejects(merge(host).run({ input: topMerge }), { code: 'chain.layer-touched' });
      assert.deepEqual(await sealInRecord(host, lower), seal);
    });
  });

  it('stays on a volume that another host has by now, whatever that one writes', async () => {
    const foreign = {
      volumes: {
        of: async () => ({}),
        requireHeld: async () => {
          throw volumeErrors.released({ volume: 'far', path: '/srv/far' });
        },
      },
    } as unknown as VmHost;
    await withFilesHost(
      state,
      files,
      async ({ host }) => {
        await sealAll(host);
        await appendFile(pathOf(host, lower), 'written by the other host');
        await assert.rejects(merge(host).run({ input: request }), { code: 'volume.released' });
        await merge(host).undo({ input: request });
        assert.ok(await brokenSeal(pathOf(host, lower), await sealInRecord(host, lower)));
      },
      () => foreign,
    );
  });
});
