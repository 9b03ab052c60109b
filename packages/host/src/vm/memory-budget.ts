/** A start beyond the host's memory is refused: an overcommitted host dies with all its VMs. */
import { readFile } from 'node:fs/promises';
import { vmErrors } from '../errors.ts';
import type { VmHost } from './vm-host.ts';
import type { VmRecord } from './vm-record.ts';

const MiB = 2 ** 20;

export interface HostMemory {
  readonly totalBytes: number;
  readonly availableBytes: number;
}

/** What the host keeps for itself: a sixteenth, at least 512 MiB. */
export function memoryReserve(totalBytes: number): number {
  return Math.max(512 * MiB, Math.floor(totalBytes / 16));
}

/** What a VM takes beside its guest's memory: QEMU's own, the display and the tables. Pure. */
export function memoryOfVm(memoryBytes: number): number {
  return memoryBytes + 64 * MiB + Math.ceil(memoryBytes / 256);
}

/**
 * What is left for one more VM: of the total, when all that run have touched all of theirs, and of what is free now.
 * Pure.
 */
export function memoryLeft(memory: HostMemory, runningBytes: readonly number[]): number {
  const reserve = memoryReserve(memory.totalBytes);
  const promised = runningBytes.reduce((sum, bytes) => sum + memoryOfVm(bytes), 0);
  return Math.min(memory.totalBytes - reserve - promised, memory.availableBytes - reserve / 2);
}

/** proc(5), /proc/meminfo; in KiB there. */
export function parseMeminfo(text: string): HostMemory {
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) * 1024;
  return { totalBytes: field('MemTotal'), availableBytes: field('MemAvailable') };
}

export async function readHostMemory(): Promise<HostMemory> {
  return parseMeminfo(await readFile('/proc/meminfo', 'utf8'));
}

/** @throws vm.no-memory */
export async function requireMemory(host: VmHost, record: VmRecord): Promise<void> {
  const { id, name, memoryBytes } = record.settings;
  const memory = await readHostMemory();
  const others = (await host.records.list()).filter((other) => other.settings.id !== id && other.process);
  const left = memoryLeft(
    memory,
    others.map((other) => other.process!.applied.memoryBytes),
  );
  if (memoryOfVm(memoryBytes) <= left) return;
  throw vmErrors['no-memory']({
    vm: name,
    wantedMiB: Math.ceil(memoryOfVm(memoryBytes) / MiB),
    freeMiB: Math.max(0, Math.floor(left / MiB)),
    reserveMiB: Math.ceil(memoryReserve(memory.totalBytes) / MiB),
  });
}
