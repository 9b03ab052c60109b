/** What operations on files of a VM that is off need of a host: a folder, a store, and nothing that runs. For unit tests. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openMemoryStore } from '@corral/store/memory-store';
import { ChainRecords, type ChainState } from '../chain/chain-records.ts';
import { DataDirectory } from '../data-directory.ts';
import type { VmHost } from '../vm/vm-host.ts';
import { VmRecords } from '../vm/vm-record.ts';

export interface FilesHost {
  readonly host: VmHost;
  /** Where the files of its disks lie. */
  readonly disks: string;
}

/**
 * @param files names of files in the folder of its disks; each holds its own name
 * @param change what the host is besides
 */
export async function withFilesHost(
  state: ChainState,
  files: readonly string[],
  test: (host: FilesHost) => Promise<void>,
  change: (host: FilesHost) => Partial<VmHost> = () => ({}),
): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'corral-files-'));
  try {
    const directory = new DataDirectory(root);
    const { id } = state.vm.settings;
    const { disks } = directory.vm(id);
    await mkdir(disks, { recursive: true });
    for (const file of files) await writeFile(join(disks, file), file);
    const store = openMemoryStore();
    const records = new VmRecords(store);
    await records.create(state.vm);
    const chainRecords = new ChainRecords(store);
    await chainRecords.change(id, () => state);
    const host = {
      directory,
      records,
      chainRecords,
      chains: {
        pause: async () => ({ [Symbol.asyncDispose]: async () => undefined }),
        work: (_: string, signal: AbortSignal, act: (signal: AbortSignal) => Promise<unknown>) => act(signal),
        look: () => undefined,
      },
      supervisor: { status: () => ({ state: 'off', reason: null }), isAttached: () => false },
      volumes: {
        of: async () => null,
        requireHeld: async () => undefined,
        requireSpace: async () => undefined,
      },
      emit: async () => undefined,
    } as unknown as VmHost;
    await test({ host: { ...host, ...change({ host, disks }) }, disks });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

interface StepForTests {
  run(context: unknown): Promise<unknown>;
  undo(context: unknown): Promise<void>;
}

/** One step of an operation, to be run by itself. */
export function stepOf(
  operation: { readonly steps: readonly { readonly name: string }[] },
  name: string,
): StepForTests {
  return operation.steps.find((each) => each.name === name) as unknown as StepForTests;
}
