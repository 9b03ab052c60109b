/** vm.start: from off or from saved memory. Until the guest runs everything is taken back on failure. */
import { isCorralError } from '@corral/core/errors';
import { defineOperation } from '@corral/operation/operation';
import type { QmpClient } from '@corral/qmp/qmp-client';
import { z } from 'zod';
import { checkSeals } from '../../chain/check-seals.ts';
import { giveUpTopSeals } from '../../chain/resting-tops.ts';
import { vmErrors } from '../../errors.ts';
import { followHostClock } from '../../guest/guest-clock.ts';
import { removeWhole } from '../../storage/whole-files.ts';
import { checkFiles, cleanUpRun, prepareRun, spawnQemu } from '../launch.ts';
import { requireMemory } from '../memory-budget.ts';
import { checkMemoryFile, restoreMemory } from '../memory-stream.ts';
import { lastWords } from '../qemu-log.ts';
import { subject } from '../vm-events.ts';
import { monitorOf, requireLegal, type VmHost } from '../vm-host.ts';
import { findQemu } from '../vm-processes.ts';
import type { VmRecord } from '../vm-record.ts';

const Target = z.strictObject({ id: z.string(), name: z.string() });
export type VmTarget = z.infer<typeof Target>;
/** `paused`: it is brought back and stays paused, as it was when its memory was taken. */
const Input = Target.extend({ paused: z.boolean().optional() });
export type VmStartInput = z.infer<typeof Input>;

interface Results {
  check: { fromSaved: boolean; saved: VmRecord['saved'] };
  prepare: null;
  launch: null;
  restore: null;
  'consume-saved': null;
  run: null;
  'delete-saved': null;
}

export function vmStart(host: VmHost) {
  return defineOperation<VmStartInput, Results>({
    kind: 'vm.start',
    input: (json) => Input.parse(json),
    target: ({ id }) => [`vm/${id}`],
    title: ({ name }) => `Start VM ${name}`,
    cancellable: true,
    steps: [
      {
        name: 'check',
        run: async ({ input, signal }) => {
          // Files that a merge is about to delete are in the record until it has ended.
          await using _files = await host.chains.pause(input.id);
          const record = await host.records.get(input.id);
          requireLegal(host, record, 'start');
          await host.volumes.requireVm(machineToStart(record));
          await host.pointServers.ensure(machineToStart(record), record.uid, signal);
          await checkFiles(await host.launchHost(), machineToStart(record));
          await checkSeals(host.directory, { ...record, settings: machineToStart(record) });
          await requireMemory(host, record);
          if (record.saved) await checkSaved(host, record);
          return { fromSaved: record.saved !== null, saved: record.saved };
        },
      },
      {
        name: 'prepare',
        run: async ({ input }) => {
          using _activity = host.supervisor.activity(input.id, 'starting');
          const record = await host.records.get(input.id);
          await prepareRun(await host.launchHost(), { ...record, settings: machineToStart(record) });
          return null;
        },
        undo: async ({ input }) => cleanUpRun(host.directory, await host.records.get(input.id)),
      },
      {
        name: 'launch',
        run: async ({ input, result, signal }) => {
          using _activity = host.supervisor.activity(input.id, 'starting');
          await using _files = await host.chains.pause(input.id);
          await launch(host, input.id, result('check').fromSaved, signal);
          return null;
        },
        undo: ({ input }) => host.supervisor.endQemu(input.id),
      },
      {
        name: 'restore',
        run: async ({ input, result, signal }) => {
          if (!result('check').fromSaved) return null;
          using _activity = host.supervisor.activity(input.id, 'starting');
          await restore(host, input.id, signal);
          return null;
        },
      },
      {
        // From the moment the guest runs, its saved memory no longer fits its disks: forget it first.
        name: 'consume-saved',
        run: async ({ input }) => {
          const { saved } = await host.records.get(input.id);
          if (saved) await host.records.update(input.id, (record) => ({ ...record, saved: null }));
          return null;
        },
        // The guest has not run: its memory, still there, fits its disks.
        undo: async ({ input, result }) => {
          const saved = result('check')?.saved;
          if (saved) await host.records.update(input.id, (record) => ({ ...record, saved }));
        },
      },
      {
        name: 'run',
        pivot: true,
        run: async ({ input, result, signal }) => {
          await runGuest(host, input.id, input.paused ?? false, signal);
          if (result('check').fromSaved && !input.paused) followHostClock(host, input);
          return null;
        },
      },
      {
        name: 'delete-saved',
        run: async ({ input }) => {
          await removeWhole(host.directory.vm(input.id).savedMemory);
          return null;
        },
      },
    ],
    output: ({ id }) => ({ vmId: id }),
  });
}

/** Saved memory fits only the machine that it was saved from. */
export function machineToStart(record: VmRecord): VmRecord['settings'] {
  return record.saved ? { ...record.saved.applied, name: record.settings.name } : record.settings;
}

async function checkSaved(host: VmHost, record: VmRecord): Promise<void> {
  const path = host.directory.vm(record.settings.id).savedMemory;
  const damaged = (reason: string, cause?: unknown): Error =>
    vmErrors['saved-damaged']({ vm: record.settings.name, path, reason }, { cause });
  try {
    const file = await checkMemoryFile(path);
    if (file.sizeBytes !== record.saved?.sizeBytes) throw damaged('its length is not what was written');
    if (file.crc32 !== record.saved.crc32) throw damaged('its content is not what was written');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    throw damaged('the file is missing', cause);
  }
}

async function launch(host: VmHost, id: string, fromSaved: boolean, signal: AbortSignal): Promise<void> {
  const record = await host.records.get(id);
  const applied = machineToStart(record);
  const launchHost = await host.launchHost();
  const known = (await findQemu(host.directory, id))[0];
  await giveUpTopSeals(host.records, id);
  const identity = known ?? (await spawnQemu(launchHost, { ...record, settings: applied }, fromSaved));
  const started = await host.records.update(id, (current) => ({
    ...current,
    process: {
      ...identity,
      startedAt: new Date().toISOString(),
      accelerator: launchHost.accelerator,
      applied,
    },
  }));
  // Meanwhile QEMU reads its command line.
  const placed = host.scopes.place(started);
  await connect(host, started, signal).finally(() => placed);
}

/** QEMU opens its monitor's socket when it has read its command line; one that refuses it ends instead. */
async function connect(host: VmHost, record: VmRecord, signal: AbortSignal): Promise<QmpClient> {
  const { id, name } = record.settings;
  return host.supervisor.attachStarting(record, signal).catch(async (cause: unknown) => {
    if (!isCorralError(cause, 'vm.qemu-gone')) throw cause;
    throw vmErrors['qemu-failed'](
      { vm: name, lastWords: await lastWords(host.directory.vm(id).log) },
      { cause },
    );
  });
}

async function restore(host: VmHost, id: string, signal: AbortSignal): Promise<void> {
  const qmp = await monitorOf(host, id, signal);
  const paths = host.directory.vm(id);
  await restoreMemory(qmp, paths.savedMemory, {
    socketPath: host.directory.socketAddress(paths.migrationSocket),
    qemuSocketPath: host.directory.forQemu(paths.migrationSocket),
    signal,
  });
}

async function runGuest(host: VmHost, id: string, paused: boolean, signal: AbortSignal): Promise<void> {
  const record = await host.records.get(id);
  // A QEMU that died after the guest had begun to run was a VM that ran and died, which the supervisor tells.
  if (!record.process) return;
  const qmp = await host.supervisor.attach(record, signal);
  if (!paused) await qmp.execute('cont', {}, { signal });
  await host.supervisor.refresh(id);
  await host.emit('vm.started', subject(record), { accelerator: record.process.accelerator });
}
