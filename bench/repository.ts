/**
 * Image file in, repository out, and back: Corral beside restic and borg, on the same image in one run.
 * `node bench/repository.ts [--size 1GiB] [--only NAME]`
 */
import { mkdir, mkdtemp, readdir, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { formatSize, parseSize } from '@corral/core/units';
import { changeImage, makeImage } from './repository/image.ts';
import { type Measured, measure } from './repository/measure.ts';
import { installPeers, type Peer, peers, type Step } from './repository/peers.ts';

interface Row extends Measured {
  readonly peer: string;
  readonly step: Step;
  /** Without the program's start; Corral tells it by itself. */
  readonly operationSeconds: number;
  readonly storedBytes: number;
}

const { values } = parseArgs({
  options: { size: { type: 'string', default: '1GiB' }, only: { type: 'string', multiple: true } },
});
const sizeBytes = parseSize(values.size);
const changedBlocks = Math.round(sizeBytes / 65_536 / 100);
const chosen = peers.filter(({ name }) => !values.only || values.only.includes(name));
const folder = await mkdtemp(path.join(tmpdir(), 'corral-bench-'));
try {
  installPeers();
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < sizeBytes * 4)
    throw new Error(`${folder} needs ${formatSize(sizeBytes * 4)} of free space.`);
  const rows: Row[] = [];
  for (const peer of chosen) rows.push(...(await runPeer(peer)));
  printTable(rows);
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function runPeer(peer: Peer): Promise<Row[]> {
  const base = path.join(folder, peer.name.replaceAll(/\W+/g, '-'));
  const files = {
    repository: `${base}-repository`,
    image: path.join(folder, 'disk.img'),
    changes: path.join(folder, 'changes.json'),
    restored: `${base}-restored`,
  };
  await makeImage(files.image, sizeBytes);
  const rows: Row[] = [];
  for (const step of ['create', 'full', 'same', 'incremental', 'restore', 'verify'] as const) {
    if (step === 'incremental') {
      await writeFile(
        files.changes,
        JSON.stringify(await changeImage(files.image, sizeBytes, changedBlocks, 7)),
      );
    }
    if (step === 'restore' && peer.name === 'borg') await mkdir(files.restored);
    const before = await folderBytes(files.repository);
    const { command, ...options } = peer.command(step, files);
    const measured = await measure(command, options);
    const own = measured.lines.find((line) => line.startsWith('{'));
    const operationSeconds = own ? (JSON.parse(own).operationSeconds as number) : measured.seconds;
    const storedBytes = (await folderBytes(files.repository)) - before;
    if (step !== 'create') rows.push({ peer: peer.name, step, ...measured, operationSeconds, storedBytes });
  }
  await rm(files.repository, { recursive: true });
  await rm(files.restored, { recursive: true });
  return rows;
}

async function folderBytes(target: string): Promise<number> {
  const entries = await readdir(target, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(
    files.map(async (entry) => (await stat(path.join(entry.parentPath, entry.name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

function printTable(rows: readonly Row[]): void {
  const stepOrder = [...new Set(rows.map(({ step }) => step))];
  console.log(`\n${formatSize(sizeBytes)} of mixed content; incremental: ${changedBlocks} blocks changed`);
  console.log(
    'step         who                 seconds  operation     MB/s   against restic   stored      cpu s    peak',
  );
  for (const step of stepOrder) {
    const restic = rows.find((row) => row.step === step && row.peer === 'restic');
    for (const row of rows.filter((candidate) => candidate.step === step)) {
      const ratio = restic ? `${(restic.seconds / row.seconds).toFixed(2)}x` : '';
      const rate = (sizeBytes / row.operationSeconds / 1e6).toFixed(0);
      const cells = [
        step.padEnd(12),
        row.peer.padEnd(18),
        row.seconds.toFixed(2).padStart(8),
        row.operationSeconds.toFixed(3).padStart(10),
        rate.padStart(8),
        ratio.padStart(16),
        formatSize(row.storedBytes).padStart(10),
        row.processorSeconds.toFixed(2).padStart(8),
        formatSize(row.peakBytes).padStart(10),
      ];
      console.log(cells.join(' '));
    }
  }
}
