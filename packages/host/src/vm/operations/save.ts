/** vm.save: the memory goes to disk, then QEMU ends. Until the record says 'saved' the guest can go on. */
import type { VmSettings } from '@corral/api/schemas/vm-settings';
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import { chainOf, withChain } from '../../chain/chain.ts';
import { removeWhole } from '../../storage/whole-files.ts';
import { saveMemory } from '../memory-stream.ts';
import { subject } from '../vm-events.ts';
import { monitorOf, requireLegal, type VmHost } from '../vm-host.ts';
import type { SavedMemory } from '../vm-record.ts';
import type { VmTarget } from './start.ts';

const Input = z.strictObject({ id: z.string(), name: z.string() });

interface Results {
  check: { wasRunning: boolean };
  'write-memory': Omit<SavedMemory, 'savedAt'>;
  record: null;
  'end-qemu': null;
}

export function vmSave(host: VmHost) {
  return defineOperation<VmTarget, Results>({
    kind: 'vm.save',
    input: (json) => Input.parse(json),
    target: ({ id }) => [`vm/${id}`],
    title: ({ name }) => `Save VM ${name}`,
    cancellable: true,
    steps: [
      {
        name: 'check',
        run: async ({ input }) => {
          const record = await host.records.get(input.id);
          requireLegal(host, record, 'save');
          await requireSpace(host, input.id, record.process?.applied.memoryBytes ?? 0);
          return { wasRunning: host.supervisor.status(record).state === 'running' };
        },
      },
      {
        name: 'write-memory',
        run: async ({ input, signal, progress }) => {
          using _activity = host.supervisor.activity(input.id, 'saving');
          // QEMU gives up its disks at the end of a migration, which a merge would refuse.
          await using _files = await host.chains.pause(input.id);
          return writeMemory(host, input.id, signal, (done) =>
            progress({ done, total: null, unit: 'bytes', message: 'writing the memory' }),
          );
        },
        undo: async ({ input, result }) => {
          await removeWhole(host.directory.vm(input.id).savedMemory);
          await continueGuest(host, input.id, result('check')?.wasRunning ?? false);
        },
      },
      {
        name: 'record',
        pivot: true,
        run: async ({ input, result }) => {
          // Also when QEMU has died since: once its memory is written the disks are flushed and still.
          const saved = { ...result('write-memory'), savedAt: new Date().toISOString() };
          await host.records.update(input.id, (record) => ({
            ...record,
            saved: { ...saved, applied: withPresentChains(saved.applied, record.settings) },
          }));
          return null;
        },
        undo: async ({ input }) => {
          await host.records.update(input.id, (record) => ({ ...record, saved: null }));
        },
      },
      {
        name: 'end-qemu',
        run: async ({ input }) => {
          using _activity = host.supervisor.activity(input.id, 'saving');
          await host.supervisor.endQemu(input.id);
          await host.emit('vm.saved', subject(await host.records.get(input.id)));
          return null;
        },
      },
    ],
    output: ({ id }) => ({ vmId: id }),
  });
}

/** A merge may have ended since the memory was written: the layers are those of the record. Pure. */
function withPresentChains(applied: VmSettings, settings: VmSettings): VmSettings {
  const disks = applied.disks.map((disk) => {
    const present = settings.disks.find(({ id }) => id === disk.id);
    return present ? withChain(disk, chainOf(present)) : disk;
  });
  return { ...applied, disks };
}

async function requireSpace(host: VmHost, id: string, memoryBytes: number): Promise<void> {
  const { folder } = host.directory.vm(id);
  const { settings } = await host.records.get(id);
  await host.volumes.requireSpace(folder, memoryBytes, `The memory of VM ${settings.name}`);
}

async function writeMemory(
  host: VmHost,
  id: string,
  signal: AbortSignal,
  progress: (doneBytes: number) => void,
): Promise<Results['write-memory']> {
  const record = await host.records.get(id);
  const qmp = await monitorOf(host, id, signal);
  const paths = host.directory.vm(id);
  await qmp.execute('stop', {}, { signal });
  const file = await saveMemory(qmp, paths.savedMemory, {
    socketPath: host.directory.socketAddress(paths.migrationSocket),
    qemuSocketPath: host.directory.forQemu(paths.migrationSocket),
    signal,
    progress,
  });
  const { major, minor, micro } = qmp.version.qemu;
  return { ...file, qemuVersion: `${major}.${minor}.${micro}`, applied: record.process!.applied };
}

/** After a migration that was cut short QEMU is 'paused' or 'postmigrate'; `cont` leads out of both. */
async function continueGuest(host: VmHost, id: string, wasRunning: boolean): Promise<void> {
  const record = await host.records.get(id);
  if (!record.process || !wasRunning) return;
  const qmp = await host.supervisor.attach(record);
  await qmp.waitFor(
    'Ending the migration',
    async () => {
      const { status } = await qmp.execute('query-migrate');
      if (status === 'active' || status === 'setup') await qmp.execute('migrate_cancel');
      return status === 'active' || status === 'setup' || status === 'cancelling' ? undefined : true;
    },
    { limitMs: 60_000, events: ['MIGRATION'], everyMs: 20 },
  );
  await qmp.execute('cont');
  await host.supervisor.refresh(id);
}
