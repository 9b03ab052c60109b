/** One operation of Corral's repository in a process of its own: `corral-run.ts ACTION PLACE IMAGE [CHANGES]`. */
import { open, readFile } from 'node:fs/promises';
import { check } from '@corral/backup/check/check';
import { isSound } from '@corral/backup/check/check-report';
import { DirectoryStore } from '@corral/backup/object-store/directory-store';
import { Repository } from '@corral/backup/repository';
import { FileSink } from '@corral/backup/restore/restore-sink';

const [action, place, image, changes] = process.argv.slice(2) as [string, string, string, string | undefined];
const secret = process.env['BENCH_PASSPHRASE'] ? { passphrase: process.env['BENCH_PASSPHRASE'] } : undefined;
const vm = { id: 'b1f0c8de-0000-4000-8000-000000000001', name: 'bench' };
const blockBytes = 65_536;

const store = new DirectoryStore(place);
await using repository =
  action === 'create' ? await Repository.create(store, { secret }) : await Repository.open(store, { secret });
const begun = performance.now();
const actions: Record<string, () => Promise<void>> = {
  create: async () => undefined,
  full: () => backUp(undefined),
  same: async () => backUp((await repository.points()).points.at(-1)!.id),
  incremental: async () => backUpBlocks((await repository.points()).points.at(-1)!.id),
  restore,
  verify,
};
await actions[action]!();
console.log(JSON.stringify({ operationSeconds: (performance.now() - begun) / 1e3 }));

/** Reads the whole image. */
async function backUp(base: string | undefined): Promise<void> {
  await using file = await open(image, 'r');
  const { size } = await file.stat();
  await using writer = await repository.beginPoint({ vm, base, disks: [{ name: 'disk', sizeBytes: size }] });
  const buffer = Buffer.alloc(2 ** 20);
  for (let offset = 0; offset < size; offset += buffer.length) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
    await writer.write('disk', offset, buffer.subarray(0, bytesRead));
  }
  await writer.seal({ name: action, consistency: 'crash' });
}

/** Reads what change tracking names. */
async function backUpBlocks(base: string): Promise<void> {
  await using file = await open(image, 'r');
  const { size } = await file.stat();
  const blocks: number[] = JSON.parse(await readFile(changes!, 'utf8'));
  await using writer = await repository.beginPoint({ vm, base, disks: [{ name: 'disk', sizeBytes: size }] });
  const buffer = Buffer.alloc(blockBytes);
  for (const block of blocks) {
    await file.read(buffer, 0, blockBytes, block * blockBytes);
    await writer.write('disk', block * blockBytes, buffer);
  }
  await writer.seal({ name: action, consistency: 'crash' });
}

async function restore(): Promise<void> {
  const newest = (await repository.points()).points.at(-1)!;
  const reader = await repository.openPoint(newest.id);
  await using sink = await FileSink.create(image, reader.disk('disk').sizeBytes);
  await repository.restore(reader, 'disk', sink);
}

async function verify(): Promise<void> {
  const report = await check(repository.context, { readData: true });
  if (!isSound(report)) throw new Error(JSON.stringify(report));
}
