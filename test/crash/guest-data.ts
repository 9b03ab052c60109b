/** What guests have on their disks, before something is struck and after it: whatever died, not a block may be another. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { Client } from '@corral/api/client.gen';
import { type DiskLayer, VmSettings } from '@corral/api/schemas/vm-settings';
import { isCorralError } from '@corral/core/errors';
import { openLayer } from '@corral/disk/drivers';
import { chainOf } from '@corral/host/chain/chain';
import { qemuImg } from '../disk/qemu-img.ts';
import { eventually } from '../support/operations.ts';
import { contentOf, type DiskContent, presentDisk } from '../support/record-writer.ts';
import { checkpointFile } from './checkpoint-scenarios.ts';

interface VmData {
  /** Null for a VM without disks. */
  readonly present: DiskContent | null;
  /** By id. */
  readonly checkpoints: ReadonlyMap<string, DiskContent>;
}

type GuestData = ReadonlyMap<string, VmData>;

const vmFolder = (data: string, id: string): string => join(data, 'vms', id);

/** Of the first disk of each VM. A merge that ends meanwhile takes a file away: then it is looked at again. */
export async function guestData(client: Client, data: string): Promise<GuestData> {
  const { items } = await client.vm.list({});
  return new Map(
    await Promise.all(items.map(async ({ id }) => [id, await vmData(client, data, id)] as const)),
  );
}

async function vmData(client: Client, data: string, id: string): Promise<VmData> {
  const folder = vmFolder(data, id);
  const found = await eventually(
    'the layers are where the records say',
    async () => {
      try {
        const disk = presentDisk(folder);
        const present = disk ? await contentOf(folder, disk) : null;
        const checkpoints = new Map<string, DiskContent>();
        for (const checkpoint of (await client.checkpoint.list(id, {})).items) {
          const [kept] = checkpointFile(folder, checkpoint.id).checkpoint.settings.disks;
          if (kept) checkpoints.set(checkpoint.id, await contentOf(folder, kept));
        }
        return { present, checkpoints };
      } catch (cause) {
        if (isCorralError(cause, 'disk.not-found')) return null;
        throw cause;
      }
    },
    (answer) => answer !== null,
  );
  return found!;
}

/**
 * Checkpoints hold what they held; a new one, and the present, at least every record that had been written before.
 *
 * @param goesBack to a checkpoint: then the present may have just the records of one
 */
export async function assertKept(
  client: Client,
  data: string,
  before: GuestData,
  goesBack: boolean,
): Promise<void> {
  for (const [id, { present, checkpoints }] of await guestData(client, data)) {
    const old = before.get(id);
    if (!old) continue;
    const anywhere = goesBack ? [...old.checkpoints.values(), old.present] : [old.present];
    assertNoneLost(present, anywhere, `the present of ${id}`);
    for (const [checkpoint, content] of checkpoints) {
      const known = old.checkpoints.get(checkpoint);
      if (known) assert.deepEqual(content, known, `checkpoint ${checkpoint} holds what it held`);
      else assertNoneLost(content, [old.present], `the new checkpoint ${checkpoint}`);
    }
  }
}

/** The same to the last byte, or, of a guest that writes records, no gap and none of the old ones missing. */
function assertNoneLost(found: DiskContent | null, old: readonly (DiskContent | null)[], what: string): void {
  const same = old.some((each) => each?.hash === found?.hash);
  const least = Math.min(...old.map((each) => each?.records ?? Number.POSITIVE_INFINITY));
  const noneLost = found?.records !== undefined && found.records !== null && found.records >= least;
  assert.ok(same || noneLost, `${what}: ${JSON.stringify(found)} after ${JSON.stringify(old)}`);
}

/**
 * Every layer that is not being written to is sound and has no bitmap, and QEMU has no file open that is no layer.
 *
 * @param leaks whether clusters may be lost, as those are that a QEMU had just taken when it was killed
 */
export async function assertSoundLayers(client: Client, data: string, leaks: boolean): Promise<void> {
  for (const { id, pid } of (await client.vm.list({})).items) {
    const folder = vmFolder(data, id);
    const present = layersOf(readSettings(folder));
    if (pid !== null) {
      const layers = new Set(present.map(({ path }) => basename(path)));
      const strange = openFiles(pid).filter((path) => path.includes(id) && path.includes('/disks/'));
      assert.deepEqual(
        strange.filter((path) => !layers.has(basename(path))),
        [],
        'a node without a disk',
      );
    }
    const { items } = await client.checkpoint.list(id, {});
    const sealed = items.flatMap((each) => layersOf(checkpointFile(folder, each.id).checkpoint.settings));
    const tops = new Set(pid === null ? [] : readSettings(folder).disks.map(({ path }) => path));
    const still = [...present, ...sealed].filter(({ format, path }) => format === 'qcow2' && !tops.has(path));
    for (const path of new Set(still.map((layer) => resolve(folder, layer.path)))) {
      await assertSoundLayer(path, leaks);
    }
  }
}

const readSettings = (folder: string): VmSettings =>
  VmSettings.parse(JSON.parse(readFileSync(join(folder, 'vm.json'), 'utf8')));

function layersOf({ disks }: VmSettings): DiskLayer[] {
  return disks.filter(({ passThrough }) => !passThrough).flatMap((disk) => chainOf(disk));
}

/** As the system lists them; a name that was deleted ends with a mark. */
function openFiles(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).flatMap((fd) => {
    try {
      return [readlinkSync(join(folder, fd))];
    } catch (cause) {
      // Closed while it was looked at.
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw cause;
    }
  });
}

/** By itself: what lies below it the records say, and a header may still name what was merged since. */
async function assertSoundLayer(path: string, leaks: boolean): Promise<void> {
  {
    await using layer = await openLayer(path, { format: 'qcow2', readOnly: true });
    assert.deepEqual(layer.info.details?.['bitmaps'] ?? [], [], `${path} has no bitmap`);
  }
  const layer = { driver: 'qcow2', backing: null, file: { driver: 'file', filename: path } };
  try {
    await qemuImg('check', '-q', '-U', `json:${JSON.stringify(layer)}`);
  } catch (cause) {
    const onlyLeaks = (cause as { readonly code?: unknown }).code === leaked;
    if (!leaks || !onlyLeaks) throw cause;
  }
}

/** How `qemu-img check` ends when it found lost clusters and nothing else (qemu-img(1)). */
const leaked = 3;
