/** What the daemon takes: memory with many VMs, and how fast it answers. */
import { readFileSync } from 'node:fs';
import type { Client } from '@corral/api/client.gen';
import { succeeded } from '../../test/support/operations.ts';

const MiB = 2 ** 20;

/** Machines without a system: their firmware runs, and the daemon looks after them as after any other. */
export async function runMachines(client: Client, names: readonly string[]): Promise<void> {
  for (const name of names) {
    await succeeded(
      client,
      client.vm.create({ name, memoryBytes: 64 * MiB, disks: [{ name: 'data', sizeBytes: MiB }] }),
    );
    await succeeded(client, client.vm.start(name));
  }
}

/** Resident memory of a process, MiB. */
export function residentMiB(pid: number): number {
  const kib = readFileSync(`/proc/${pid}/status`, 'utf8').match(/^VmRSS:\s+(\d+) kB$/m)![1];
  return Number(kib) / 1024;
}

export interface Reads {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** So many requests under way at any moment, for so long. */
export async function readApi(
  read: () => Promise<unknown>,
  { atOnce, forMs }: { readonly atOnce: number; readonly forMs: number },
): Promise<Reads> {
  const times: number[] = [];
  const began = performance.now();
  const reader = async (): Promise<void> => {
    while (performance.now() - began < forMs) {
      const sent = performance.now();
      await read();
      times.push(performance.now() - sent);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, reader));
  const seconds = (performance.now() - began) / 1000;
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)]!;
  return { perSecond: times.length / seconds, p50Ms: at(0.5), p99Ms: at(0.99) };
}
