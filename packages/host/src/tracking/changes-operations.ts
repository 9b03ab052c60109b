/**
 * changes.open and changes.close: disks held still for a program that reads what changed since a reference point
 * (docs/howto/read-changes.md).
 *
 *   fork (pin, by an operation of its own) ─▶ list (extents into files) ─▶ serve (NBD) ─▶ record
 */
import { rm } from 'node:fs/promises';
import { isCorralError } from '@corral/core/errors';
import { derivedId } from '@corral/core/ids';
import { Turns } from '@corral/core/turns';
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import type { Forks } from '../backup/backup-host.ts';
import type { ChainState } from '../chain/chain-records.ts';
import type { PinRecord } from '../chain/pin-record.ts';
import type { VmHost } from '../vm/vm-host.ts';
import { knownChanges } from './changes-between.ts';
import type { ChangesRecord, ChangesRecords } from './changes-record.ts';
import { endChangesServer, serveChanges } from './changes-server.ts';
import { trackingErrors } from './errors.ts';
import { writeExtentsFile } from './extents-file.ts';
import type { ForkOutput } from './fork-steps.ts';
import { bytesOf } from './ranges.ts';
import type { ReferenceRecord } from './reference-record.ts';
import { releasePin } from './release-pin.ts';

export interface ChangesHost {
  readonly host: VmHost;
  readonly records: ChangesRecords;
  readonly forks: Forks;
}

const OpenInput = z.strictObject({
  id: z.string(),
  vmId: z.string(),
  vmName: z.string(),
  sinceId: z.string().nullable(),
  reference: z.strictObject({ id: z.string(), name: z.string() }).nullable(),
  consistency: z.enum(['application', 'filesystem', 'crash']).nullable(),
  freezeLimitMs: z.int(),
  keepMs: z.int(),
});
export type ChangesOpenInput = z.infer<typeof OpenInput>;

type ListedDisk = ChangesRecord['disks'][number];

interface OpenResults {
  fork: ForkOutput;
  list: { since: ChangesRecord['since']; disks: ListedDisk[] };
  serve: { process: ChangesRecord['process'] };
  record: null;
}

const forkId = (id: string): string => derivedId(`fork of changes ${id}`);
const folderOf = (id: string): string => `changes/open-${id}`;

export function changesOpen(changes: ChangesHost) {
  const { host, forks, records } = changes;
  return defineOperation<ChangesOpenInput, OpenResults>({
    kind: 'changes.open',
    input: (json) => OpenInput.parse(json),
    target: ({ id }) => [`changes/${id}`],
    title: ({ vmName }) => `Hold the disks of VM ${vmName} still for a reader`,
    cancellable: true,
    steps: [
      {
        name: 'fork',
        run: ({ input, signal }) => {
          const { id, vmId, vmName, reference, consistency, freezeLimitMs } = input;
          const pin = { id, reason: 'a program that reads its changes', operationId: null, expiresAt: null };
          return forks.run({ vmId, vmName, pin, reference, consistency, freezeLimitMs }, forkId(id), signal);
        },
        undo: async ({ input, signal }) => {
          await forks.abandon(forkId(input.id), signal);
          await letGo(host, input.vmId, input.id, signal, input.reference?.id);
        },
      },
      {
        name: 'list',
        run: async ({ input, signal }) => {
          const state = await host.chainRecords.read(input.vmId);
          const since = state.references.find(({ id }) => id === input.sinceId) ?? null;
          if (input.sinceId !== null && !since) {
            throw trackingErrors['reference-not-found']({ vm: input.vmName, reference: input.sinceId });
          }
          const disks: ListedDisk[] = [];
          for (const disk of pinOf(state, input.id)?.disks ?? []) {
            disks.push(await listDisk(host, input, disk, since, signal));
          }
          return {
            since: since && { id: since.id, name: since.name, createdAt: since.createdAt },
            disks,
          };
        },
        undo: ({ input }) => removeLists(host, input.vmId, input.id),
      },
      {
        name: 'serve',
        run: async ({ input, signal }) => ({ process: await serve(host, input.vmId, input.id, signal) }),
        undo: ({ input }) => endChangesServer(host.directory, input.id),
      },
      {
        name: 'record',
        pivot: true,
        run: async ({ input, result }) => {
          const { consistency, reason, frozenMs, forkedAt } = result('fork');
          await records.put({
            id: input.id,
            vmId: input.vmId,
            vmName: input.vmName,
            ...result('list'),
            createdAt: forkedAt,
            expiresAt: new Date(Date.parse(forkedAt) + input.keepMs).toISOString(),
            consistency,
            reason,
            frozenMs,
            ...result('serve'),
          });
          return null;
        },
        undo: ({ input }) => records.delete(input.vmId, input.id),
      },
    ],
    output: ({ id, vmId, reference }) => ({ vmId, changesId: id, referenceId: reference?.id ?? null }),
  });
}

/** A server that ended is started again, for as long as its record is there; by the id of what is held open. */
export const servingTurns = new Turns();

/** Starts the server of what is held open; also again, when it is gone. */
export async function serve(
  host: VmHost,
  vmId: string,
  changesId: string,
  signal: AbortSignal,
): Promise<ChangesRecord['process']> {
  const state = await host.chainRecords.read(vmId);
  const { directory } = host;
  const disks = pinOf(state, changesId)?.disks ?? [];
  return await serveChanges({ directory, vmId, uid: state.vm.uid, changesId, disks }, signal);
}

const CloseInput = z.strictObject({ id: z.string(), vmId: z.string(), vmName: z.string() });
export type ChangesCloseInput = z.infer<typeof CloseInput>;

interface CloseResults {
  'end-server': null;
  forget: null;
}

export function changesClose({ host, records }: ChangesHost) {
  return defineOperation<ChangesCloseInput, CloseResults>({
    kind: 'changes.close',
    input: (json) => CloseInput.parse(json),
    target: ({ id }) => [`changes/${id}`],
    title: ({ vmName }) => `Let go of the disks that a reader of VM ${vmName} held`,
    cancellable: false,
    afterCrash: 'resume',
    steps: [
      {
        name: 'end-server',
        pivot: true,
        run: async ({ input }) => {
          await endChangesServer(host.directory, input.id);
          await removeLists(host, input.vmId, input.id);
          return null;
        },
      },
      {
        name: 'forget',
        run: async ({ input, signal }) => {
          // Its server may have been found ended meanwhile, and started again.
          await servingTurns.take(input.id, async () => {
            await records.delete(input.vmId, input.id);
            await endChangesServer(host.directory, input.id);
          });
          await letGo(host, input.vmId, input.id, signal);
          return null;
        },
      },
    ],
    output: ({ vmId }) => ({ vmId }),
  });
}

function pinOf(state: ChainState, id: string): PinRecord | undefined {
  return state.pins.find((pin) => pin.id === id);
}

/** Repeatable; also when the VM is gone. */
async function letGo(
  host: VmHost,
  vmId: string,
  pinId: string,
  signal: AbortSignal,
  referenceId?: string,
): Promise<void> {
  try {
    await host.chainRecords.change(vmId, (state) => ({
      ...state,
      references: state.references.filter(({ id }) => id !== referenceId),
    }));
    await releasePin(host, vmId, pinId, signal);
  } catch (cause) {
    // With the VM its pins went.
    if (!isCorralError(cause, 'vm.not-found')) throw cause;
  }
}

async function removeLists(host: VmHost, vmId: string, id: string): Promise<void> {
  await rm(host.directory.resolveInVm(vmId, folderOf(id)), { recursive: true, force: true });
}

async function listDisk(
  host: VmHost,
  { id, vmId }: ChangesOpenInput,
  { diskId, name, sizeBytes, chain }: PinRecord['disks'][number],
  since: ReferenceRecord | null,
  signal: AbortSignal,
): Promise<ListedDisk> {
  const from = since?.disks.find((disk) => disk.diskId === diskId);
  const to = { stateId: chain[0]!.id, sizeBytes };
  const known = from ? await knownChanges(host, { vmId, diskId, from, to }, signal) : null;
  const ranges = known ?? [{ offset: 0, length: sizeBytes }];
  const path = `${folderOf(id)}/${diskId}.extents`;
  const states = { from: from?.stateId ?? to.stateId, to: to.stateId };
  await writeExtentsFile(host.directory.resolveInVm(vmId, path), { ...states, ranges });
  return {
    diskId,
    name,
    sizeBytes,
    tracked: known !== null,
    changedBytes: bytesOf(ranges),
    extents: ranges.length,
    path,
    ...states,
  };
}
