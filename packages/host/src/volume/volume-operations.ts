/** Every kind of operation on volumes, made once per daemon. */
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import { writingTarget } from '../chain/chain-keeper.ts';
import { removeDisksFolder } from './disks-folder.ts';
import { reserveOf } from './space-rules.ts';
import { volumeAdd, volumeSeize } from './take-volume.ts';
import {
  refuseLocal,
  requireNoneRuns,
  requireUnused,
  type VolumeHost,
  volumeSubject,
} from './volume-host.ts';

const Target = z.strictObject({ id: z.string(), name: z.string(), root: z.string() });
type Target = z.infer<typeof Target>;

export function volumeOperations(host: VolumeHost) {
  return {
    add: volumeAdd(host),
    seize: volumeSeize(host),
    set: volumeSet(host),
    remove: volumeRemove(host),
    release: volumeRelease(host),
  };
}

export type VolumeOperations = ReturnType<typeof volumeOperations>;

const SetInput = Target.extend({ reserveBytes: z.int().nullable() });

function volumeSet(host: VolumeHost) {
  return defineOperation<z.infer<typeof SetInput>, { store: null }>({
    kind: 'volume.set',
    input: (json) => SetInput.parse(json),
    target: ({ id }) => [`volume/${id}`],
    title: ({ name }) => `Change volume ${name}`,
    cancellable: false,
    afterCrash: 'resume',
    steps: [
      {
        name: 'store',
        pivot: true,
        run: async ({ input }) => {
          const { reserveBytes, root } = input;
          await host.volumes.records.update(input.id, (record) => ({ ...record, reserveBytes }));
          const shown = reserveBytes ?? reserveOf(null, (await host.volumes.driver.space(root)).totalBytes);
          await host.emit('volume.changed', volumeSubject(input), { reserveBytes: shown });
          return null;
        },
      },
    ],
    output: ({ id }) => ({ volumeId: id }),
  });
}

/** Forgotten first: from then on nothing new is put there. What is left of ours goes after that. */
function volumeRemove(host: VolumeHost) {
  return defineOperation<Target, { unregister: null; 'clean-up': null }>({
    kind: 'volume.remove',
    input: (json) => Target.parse(json),
    target: ({ id }) => [`volume/${id}`],
    title: ({ name }) => `Remove volume ${name}`,
    cancellable: false,
    afterCrash: 'resume',
    steps: [
      {
        name: 'unregister',
        pivot: true,
        run: async ({ input }) => {
          const record = await host.volumes.records.find(input.id);
          if (!record) return null;
          refuseLocal(record, 'removed');
          await requireUnused(host, record);
          await host.volumes.records.delete(input.id);
          return null;
        },
      },
      {
        name: 'clean-up',
        run: async ({ input }) => {
          await leave(host, input);
          await host.emit('volume.removed', volumeSubject(input), { path: input.root });
          return null;
        },
      },
    ],
  });
}

/** Files of VMs that this host no longer knows stay, for whoever takes the volume next. Repeatable. */
async function leave(host: VolumeHost, { id, root }: Target): Promise<void> {
  const { driver, self } = host.volumes;
  const file = await driver.readOwner(root);
  if (file?.id !== id || (file.owner && file.owner.id !== self.id)) return;
  if (await removeDisksFolder(root)) await driver.deleteOwner(root);
  else if (file.owner) {
    const next = { ...file, generation: file.generation + 1, owner: null };
    await driver.writeOwner(root, next, file, self.id);
  }
}

const ReleaseInput = Target.extend({ vms: z.array(z.string()) });

function volumeRelease(host: VolumeHost) {
  return defineOperation<z.infer<typeof ReleaseInput>, { release: null }>({
    kind: 'volume.release',
    input: (json) => ReleaseInput.parse(json),
    // No VM that is on it may be started meanwhile, and none that is off may have its files written to.
    target: ({ id, vms }) => [`volume/${id}`, ...vms.flatMap((vm) => [`vm/${vm}`, writingTarget(vm)])],
    title: ({ name }) => `Release volume ${name}`,
    cancellable: false,
    afterCrash: 'resume',
    steps: [
      {
        name: 'release',
        pivot: true,
        run: async ({ input }) => {
          const { driver, records, self } = host.volumes;
          const record = await records.get(input.id);
          refuseLocal(record, 'released');
          await requireNoneRuns(host, record);
          const { state, file, problem } = await host.volumes.standing(record);
          if (problem && state !== 'released') throw problem;
          if (file?.owner) {
            const next = { ...file, generation: file.generation + 1, owner: null };
            await driver.writeOwner(input.root, next, file, self.id);
          }
          await host.emit('volume.released', volumeSubject(input), { path: input.root });
          return null;
        },
      },
    ],
    output: ({ id }) => ({ volumeId: id }),
  });
}
