/**
 * restore.browse: looks into a disk of a backup, or takes a file out of it. A helper VM without a network has the disk;
 * the host never mounts what is not its own, and of the VM nothing is left.
 */
import { open, rm, stat } from 'node:fs/promises';
import { BackupFile } from '@corral/api/schemas/restore';
import { VmSettings } from '@corral/api/schemas/vm-settings';
import { delay, withLimit } from '@corral/core/abort';
import { defineOperation, type Progress } from '@corral/operation/operation';
import type { GuestAgent } from '@corral/qmp/guest-agent';
import { z } from 'zod';
import { connectionTarget } from '../../repository/repository-host.ts';
import { unlessAbsent } from '../../storage/unless-absent.ts';
import { linkNew } from '../../storage/whole-files.ts';
import { browseScript } from '../browse-script.ts';
import { restoreErrors } from '../errors.ts';
import { mostEntries, parseFile, parseListing } from '../file-listing.ts';
import { type RestoreHost, RestoreSource } from '../restore-host.ts';
import { agentAnswers, discardTemporaryVm, temporaryVmSteps } from '../temporary-vm.ts';

const Input = z.strictObject({
  source: RestoreSource,
  /** Of the helper VM. */
  settings: VmSettings,
  boot: z.strictObject({ kernel: z.string(), initrd: z.string() }),
  disk: z.string(),
  path: z.string(),
  /** Where the file goes on the host; null: list the folder. */
  target: z.string().nullable(),
});
export type BrowseInput = z.infer<typeof Input>;

const Found = z.strictObject({
  entries: z.array(BackupFile),
  entryCount: z.int(),
  writtenBytes: z.int(),
});
type Found = z.infer<typeof Found>;

interface Results {
  make: null;
  boot: null;
  look: Found;
  publish: null;
  'clean-up': null;
}

const upLimitMs = 300_000;
const lookLimitMs = 120_000;
const againMs = 250;

export function restoreBrowse(restores: RestoreHost) {
  return defineOperation<BrowseInput, Results>({
    kind: 'restore.browse',
    input: (json) => Input.parse(json),
    target: ({ source, target }) => [
      connectionTarget(source.repositoryId),
      ...(target === null ? [] : [`file${target}`]),
    ],
    title: ({ disk, path, source, target }) =>
      `${target === null ? 'List' : 'Take out'} ${disk}:${path} of backup ${source.pointName}`,
    cancellable: true,
    steps: [
      ...temporaryVmSteps(restores),
      {
        name: 'look',
        run: async ({ input, progress, signal }) => {
          const agent = await agentOf(restores, input, signal);
          return input.target === null
            ? await list(agent, input, signal)
            : await takeOut(restores, agent, { ...input, target: input.target }, { progress, signal });
        },
        undo: async ({ input }) => {
          if (input.target !== null) await rm(partOf(input.target), { force: true });
        },
      },
      {
        name: 'publish',
        pivot: true,
        run: async ({ input }) => {
          if (input.target !== null) await publish(input.target);
          return null;
        },
        undo: async ({ input }) => {
          if (input.target !== null) await withdraw(input.target);
        },
      },
      {
        name: 'clean-up',
        run: async ({ input, operationId, signal }) => {
          if (input.target !== null) await rm(partOf(input.target), { force: true });
          await discardTemporaryVm(restores, input.settings.id, operationId, signal);
          return null;
        },
      },
    ],
    output: ({ path, source, target }, { look }) => ({ pointId: source.pointId, path, target, ...look }),
  });
}

const partOf = (target: string): string => `${target}.part`;

async function agentOf(restores: RestoreHost, input: BrowseInput, signal: AbortSignal): Promise<GuestAgent> {
  await withLimit('Starting the helper VM', upLimitMs, signal, async (limited) => {
    while (!(await agentAnswers(restores, input, limited))) await delay(againMs, limited);
  });
  return restores.host.agents.of(input.settings);
}

/** @throws restore.cannot-look with what the helper says */
async function look(
  agent: GuestAgent,
  action: 'names' | 'attributes' | 'file',
  { disk, path }: Pick<BrowseInput, 'disk' | 'path'>,
  signal: AbortSignal,
): Promise<Buffer> {
  const program = { path: '/bin/sh', args: ['-c', browseScript, 'look', action, path] };
  const { exitCode, stderr, stdout } = await agent.exec(program, { limitMs: lookLimitMs, signal });
  if (exitCode === 0) return stdout;
  const reason = stderr
    .toString('utf8')
    .replace(/\p{Cc}/gu, ' ')
    .trim()
    .slice(0, 300);
  throw restoreErrors['cannot-look']({ disk, path, reason });
}

async function list(agent: GuestAgent, input: BrowseInput, signal: AbortSignal): Promise<Found> {
  const names = await look(agent, 'names', input, signal);
  const entries = parseListing(names, await look(agent, 'attributes', input, signal));
  if (!entries) throw nonsense(input);
  return { entries: entries.slice(0, mostEntries), entryCount: entries.length, writtenBytes: 0 };
}

async function takeOut(
  { host }: RestoreHost,
  agent: GuestAgent,
  input: BrowseInput & { readonly target: string },
  { progress, signal }: { readonly progress: (progress: Progress) => void; readonly signal: AbortSignal },
): Promise<Found> {
  const { path: shown, target } = input;
  const file = parseFile(await look(agent, 'file', input, signal));
  if (!file) throw nonsense(input);
  const { path, sizeBytes } = file;
  await host.volumes.requireSpace(target, sizeBytes, `Taking out ${shown}`);
  const part = partOf(target);
  await rm(part, { force: true });
  let writtenBytes = 0;
  {
    await using output = await open(part, 'wx', 0o600);
    await using source = await agent.openFile(path, 'r', { signal });
    for (let data = await source.read({ signal }); data; data = await source.read({ signal })) {
      writtenBytes += data.length;
      // More than it said would fill a volume that was asked about less.
      if (writtenBytes > sizeBytes) throw nonsense(input);
      await output.appendFile(data);
      progress({ done: writtenBytes, total: sizeBytes, unit: 'bytes', message: shown });
    }
    if (writtenBytes !== sizeBytes) throw nonsense(input);
    await output.sync();
  }
  return { entries: [], entryCount: 0, writtenBytes };
}

/** @throws restore.exists */
async function publish(target: string): Promise<void> {
  if (!(await linkNew(partOf(target), target))) throw restoreErrors.exists({ path: target });
}

/** Takes back what `publish` did, if it did: a file of somebody else under that name is another inode. */
async function withdraw(target: string): Promise<void> {
  const [part, published] = await Promise.all([inodeOf(partOf(target)), inodeOf(target)]);
  if (part !== null && part === published) await rm(target);
}

async function inodeOf(path: string): Promise<string | null> {
  const found = await unlessAbsent(stat(path, { bigint: true }), null);
  return found && `${found.dev}:${found.ino}`;
}

function nonsense({ disk, path }: BrowseInput): Error {
  const reason = 'the helper VM answered nonsense, as one does that a file system made for it has upset';
  return restoreErrors['cannot-look']({ disk, path, reason });
}
