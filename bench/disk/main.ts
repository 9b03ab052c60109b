/**
 * `npm run bench -- disk [--dir DIR] [--size MiB] [--runs N] [--only TEXT]`: convert and hash beside qemu-img, pair by
 * pair, interleaved in one run; on a machine that is busy with other things the ratio of the best runs tells more. Both flush what they wrote. By default in /dev/shm, where the programs are compared
 * and not the disk beneath them; `--dir` names a folder on another volume.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { convertDisk } from '@corral/disk/verbs/convert-disk';
import { hashDisk } from '@corral/disk/verbs/hash-disk';
import { makeSources, type Source, targets } from './images.ts';
import { quietly, run, seconds, timesOf } from './measure.ts';
import { type Row, showHead, showRow } from './table.ts';

const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: '/dev/shm' },
    size: { type: 'string', default: '1024' },
    runs: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
  },
});

const runs = Number(values.runs);
const folder = await mkdtemp(join(values.dir, 'corral-bench-disk-'));
try {
  const sources = await makeSources(folder, Number(values.size) * 2 ** 20);
  showHead();
  for (const source of sources) {
    for (const target of targets) {
      const name = `convert ${source.name} → ${target.name}`;
      if (name.includes(values.only)) showRow(await benchConvert(name, source, target));
    }
  }
  for (const source of sources) {
    const name = `hash ${source.name}`;
    if (name.includes(values.only)) showRow(await benchHash(name, source));
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function benchConvert(name: string, source: Source, target: (typeof targets)[number]): Promise<Row> {
  const output = join(folder, 'output');
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let index = 0; index < runs; index += 1) {
    ours.push(
      await seconds(async () => {
        await convertDisk(source.path, output, { source: { format: source.format }, ...target.ours });
      }),
    );
    await quietly(output);
    theirs.push(
      await seconds(() =>
        run('qemu-img', [
          'convert',
          '-t',
          'writeback',
          '-f',
          source.qemu,
          ...target.qemu,
          source.path,
          output,
        ]),
      ),
    );
    await quietly(output);
  }
  return {
    name,
    bytes: source.dataBytes,
    ours: timesOf(ours),
    theirs: timesOf(theirs),
    peer: 'qemu-img convert',
  };
}

/** The peer has to write the disk as raw before it can be hashed; of the sum, the hash alone is shown too. */
async function benchHash(name: string, source: Source): Promise<Row> {
  const output = join(folder, 'output');
  const ours: number[] = [];
  const theirs: number[] = [];
  const ceiling: number[] = [];
  for (let index = 0; index < runs; index += 1) {
    ours.push(await seconds(async () => void (await hashDisk(source.path, { format: source.format }))));
    theirs.push(
      await seconds(async () => {
        await run('qemu-img', ['convert', '-f', source.qemu, '-O', 'raw', source.path, output]);
        await run('sha256sum', [output]);
      }),
    );
    ceiling.push(await seconds(() => run('openssl', ['dgst', '-sha256', output])));
    await quietly(output);
  }
  const row = { name, bytes: source.sizeBytes, ours: timesOf(ours), theirs: timesOf(theirs) };
  return { ...row, ceiling: timesOf(ceiling).median, peer: 'qemu-img convert; sha256sum' };
}
