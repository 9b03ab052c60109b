/** volume.add and volume.seize: what can be done there is found out, the owner file is written, then the host knows it. */
import { VolumeCapabilities } from '@corral/api/schemas/volume';
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import { makeDisksFolder, removeDisksFolder } from './disks-folder.ts';
import { OwnerFile } from './owner-file.ts';
import { requireFreePlace, type VolumeHost, volumeSubject } from './volume-host.ts';
import { foreign } from './volumes.ts';

const Input = z.strictObject({
  /** From the owner file, or new. */
  id: z.string(),
  name: z.string(),
  root: z.string(),
  reserveBytes: z.int().nullable(),
});
export type TakeVolumeInput = z.infer<typeof Input>;

const Probed = z.strictObject({
  fileSystem: z.string(),
  capabilities: VolumeCapabilities,
  previous: OwnerFile.nullable(),
});

interface Results {
  probe: z.infer<typeof Probed>;
  claim: OwnerFile;
  register: null;
}

function takeVolume(host: VolumeHost, kind: 'volume.add' | 'volume.seize') {
  const { driver, self } = host.volumes;
  const seize = kind === 'volume.seize';
  return defineOperation<TakeVolumeInput, Results>({
    kind,
    input: (json) => Input.parse(json),
    target: ({ id, name }) => [`volume/${id}`, `volume-name/${name}`],
    title: ({ name }) => `${seize ? 'Seize' : 'Add'} volume ${name}`,
    cancellable: true,
    steps: [
      {
        name: 'probe',
        run: async ({ input: { name, root } }) => {
          await requireFreePlace(host, name, root);
          const previous = await driver.readOwner(root);
          const owner = previous?.owner;
          if (owner && owner.id !== self.id && !seize) throw foreign(name, root, owner);
          return { ...(await driver.probe(root, self.id)), previous };
        },
        undo: ({ input }) => driver.cleanUp(input.root, self.id),
      },
      {
        name: 'claim',
        run: async ({ input, result }) => {
          const next = await claim(host, input, result('probe').previous);
          await makeDisksFolder(input.root);
          return next;
        },
        undo: async ({ input, result }) => {
          const probed = result('probe');
          if (!probed) return;
          await giveBack(host, input, probed.previous);
        },
      },
      {
        name: 'register',
        pivot: true,
        run: async ({ input, result }) => {
          const { previous, ...facts } = result('probe');
          const { id, name, root, reserveBytes } = input;
          const known = await host.volumes.records.find(id);
          await host.volumes.records.put({
            id,
            name,
            createdAt: result('claim').createdAt,
            kind: driver.kind,
            root,
            local: known?.local ?? false,
            ...facts,
            reserveBytes: reserveBytes ?? known?.reserveBytes ?? null,
            told: { lost: false, belowReserve: known?.told.belowReserve ?? false },
          });
          const subject = volumeSubject(input);
          const owner = previous?.owner;
          if (seize && owner && owner.id !== self.id) {
            await host.emit('volume.seized', subject, {
              path: root,
              from: `host ${owner.name} (${owner.id})`,
            });
          } else await host.emit('volume.added', subject, { path: root, fileSystem: facts.fileSystem });
          return null;
        },
        undo: async () => undefined,
      },
    ],
    output: ({ id }) => ({ volumeId: id }),
  });
}

export const volumeAdd = (host: VolumeHost) => takeVolume(host, 'volume.add');
export const volumeSeize = (host: VolumeHost) => takeVolume(host, 'volume.seize');

/** Repeatable: what is this host's already stays as it is. */
async function claim(
  host: VolumeHost,
  { id, root }: TakeVolumeInput,
  previous: OwnerFile | null,
): Promise<OwnerFile> {
  const { driver, self } = host.volumes;
  const present = await driver.readOwner(root);
  if (present?.owner?.id === self.id && present.id === id) return present;
  const owner = host.volumes.newOwner();
  const next: OwnerFile = previous
    ? { ...previous, generation: previous.generation + 1, owner }
    : { format: 'corral-volume/1', id, createdAt: owner.since, generation: 1, owner };
  await driver.writeOwner(root, next, previous, self.id);
  return next;
}

/** The owner becomes who it was; a volume that was none is none again. */
async function giveBack(
  host: VolumeHost,
  { root }: TakeVolumeInput,
  previous: OwnerFile | null,
): Promise<void> {
  const { driver, self } = host.volumes;
  if (previous?.owner?.id === self.id) return;
  const present = await driver.readOwner(root);
  if (present?.owner?.id !== self.id) return;
  if (previous) {
    const next = { ...previous, generation: present.generation + 1 };
    await driver.writeOwner(root, next, present, self.id);
    return;
  }
  await removeDisksFolder(root);
  await driver.deleteOwner(root);
}
