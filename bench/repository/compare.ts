/** Runs the same steps with every peer, in turn, several times; each figure is the median of its runs. */
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, stat, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { formatSize } from '@corral/core/units';
import { touchMemory } from '../support/touched-memory.ts';
import { changeImage, makeImage } from './image.ts';
import { type Measured, measure } from './measure.ts';
import { type Peer, peers, type Step } from './peers.ts';

export interface Comparison {
  readonly sizeBytes: number;
  /** `create` comes first by itself. */
  readonly steps: readonly Exclude<Step, 'create'>[];
  readonly runs: number;
  /** Where images and repositories are made: a disk, or memory to leave the disk out. */
  readonly place: string;
  /** Names; all unless told. */
  readonly only?: readonly string[] | undefined;
}

interface Row extends Measured {
  readonly peer: string;
  readonly step: Step;
  /** Without the program's start; Corral tells it by itself. */
  readonly operationSeconds: number;
  /** Until all that the program wrote lies on the disk: Corral syncs what it restores before it says so, its peers do not. */
  readonly durableSeconds: number;
  readonly storedBytes: number;
}

const blockBytes = 65_536;

/** Prints the table. Peers take turns in each run, so that what else the machine does falls on all of them. */
export async function compare(comparison: Comparison): Promise<void> {
  const { sizeBytes, runs, place, only } = comparison;
  const folder = await mkdtemp(path.join(place, 'corral-bench-'));
  try {
    const { bavail, bsize } = await statfs(folder);
    const needed = sizeBytes * 3;
    if (bavail * bsize < needed) throw new Error(`${folder} needs ${formatSize(needed)} of free space.`);
    const rows: Row[] = [];
    for (let run = 0; run < runs; run += 1) {
      for (const peer of peers.filter(({ name }) => !only || only.includes(name))) {
        rows.push(...(await runPeer(folder, peer, comparison)));
      }
    }
    printTable(medians(rows), comparison);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function runPeer(folder: string, peer: Peer, { sizeBytes, steps }: Comparison): Promise<Row[]> {
  const base = path.join(folder, peer.name.replaceAll(/\W+/g, '-'));
  const files = {
    repository: `${base}-repository`,
    image: path.join(folder, 'disk.img'),
    changes: path.join(folder, 'changes.json'),
    restored: `${base}-restored`,
  };
  await makeImage(files.image, sizeBytes);
  const rows: Row[] = [];
  for (const step of ['create', ...steps] as const) {
    if (step === 'incremental') {
      const changed = await changeImage(files.image, sizeBytes, changedBlocks(sizeBytes), 7);
      await writeFile(files.changes, JSON.stringify(changed));
    }
    if (step === 'restore' && peer.name === 'borg') await mkdir(files.restored);
    const before = await folderBytes(files.repository);
    const newest = steps.slice(0, steps.indexOf(step as never)).findLast(isBackup) ?? 'full';
    const { command, ...options } = peer.command(step, files, newest);
    // What was written before, the image above all, is not to be waited for by this step.
    syncPlace(files.image);
    // As much as any step writes, and what the programs take.
    await touchMemory(sizeBytes + 2 ** 30);
    const measured = await measure(command, options);
    const durableSeconds = measured.seconds + syncPlace(files.image);
    const own = measured.lines.find((line) => line.startsWith('{'));
    const operationSeconds = own ? (JSON.parse(own).operationSeconds as number) : measured.seconds;
    const storedBytes = (await folderBytes(files.repository)) - before;
    const figures = { ...measured, operationSeconds, durableSeconds, storedBytes };
    if (step !== 'create') rows.push({ peer: peer.name, step, ...figures });
  }
  for (const left of [
    files.repository,
    files.restored,
    `${files.repository}-cache`,
    `${files.repository}-home`,
  ])
    await rm(left, { recursive: true, force: true });
  return rows;
}

/** @returns how long it took, s */
function syncPlace(file: string): number {
  const begun = performance.now();
  const { status, stderr } = spawnSync('sync', ['--file-system', file]);
  if (status !== 0) throw new Error(`sync of the file system of ${file} failed: ${stderr}`);
  return (performance.now() - begun) / 1e3;
}

function isBackup(step: Step): boolean {
  return step === 'full' || step === 'same' || step === 'incremental';
}

function changedBlocks(sizeBytes: number): number {
  return Math.round(sizeBytes / blockBytes / 100);
}

async function folderBytes(target: string): Promise<number> {
  const entries = await readdir(target, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(
    files.map(async (entry) => (await stat(path.join(entry.parentPath, entry.name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

function medians(rows: readonly Row[]): Row[] {
  const groups = Map.groupBy(rows, ({ peer, step }) => `${step}\0${peer}`);
  return [...groups.values()].map((group) => ({
    ...group[0]!,
    seconds: median(group.map((row) => row.seconds)),
    operationSeconds: median(group.map((row) => row.operationSeconds)),
    durableSeconds: median(group.map((row) => row.durableSeconds)),
    processorSeconds: median(group.map((row) => row.processorSeconds)),
    // The worst one: an aim for memory holds always.
    peakBytes: Math.max(...group.map((row) => row.peakBytes)),
  }));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function printTable(rows: readonly Row[], { sizeBytes, steps, runs, place }: Comparison): void {
  console.log(
    `\n${formatSize(sizeBytes)} of mixed content in ${place}, median of ${runs}; incremental: ${changedBlocks(sizeBytes)} blocks of 64 KiB changed`,
  );
  console.log(
    'step         who                 seconds  operation  on disk     MB/s   against restic: on disk  cpu   stored      cpu s    peak',
  );
  for (const step of steps) {
    const restic = rows.find((row) => row.step === step && row.peer === 'restic');
    for (const row of rows.filter((candidate) => candidate.step === step)) {
      const ratio = (of: (row: Row) => number): string => (restic ? (of(restic) / of(row)).toFixed(2) : '');
      const rate = (sizeBytes / row.operationSeconds / 1e6).toFixed(0);
      const cells = [
        step.padEnd(12),
        row.peer.padEnd(18),
        row.seconds.toFixed(2).padStart(8),
        row.operationSeconds.toFixed(3).padStart(10),
        row.durableSeconds.toFixed(2).padStart(8),
        rate.padStart(8),
        ratio((each) => each.seconds).padStart(15),
        ratio((each) => each.durableSeconds).padStart(8),
        ratio((each) => each.processorSeconds).padStart(5),
        formatSize(row.storedBytes).padStart(10),
        row.processorSeconds.toFixed(2).padStart(8),
        formatSize(row.peakBytes).padStart(10),
      ];
      console.log(cells.join(' '));
    }
  }
}
