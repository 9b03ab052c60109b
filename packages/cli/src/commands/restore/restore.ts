import { Option } from '@commander-js/extra-typings';
import type { Client } from '@corral/api/client.gen';
import type { Operation } from '@corral/api/schemas/operation';
import { formatSize } from '@corral/core/units';
import type { Context } from '../../context.ts';
import { cliErrors } from '../../errors.ts';
import { runOperation, seeThrough, type WaitChoice } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import { hostPath } from '../../parse/host-path.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { idIn, runVmOperation } from '../vm/vm-result.ts';
import { noWait, waitLimit } from '../wait-options.ts';
import { confirmedName } from './confirmed-name.ts';

const see = 'corral restore --help';
const formats = ['qcow2', 'raw', 'vhd', 'vhdx'] as const;

interface Options extends WaitChoice {
  readonly as?: string | undefined;
  readonly repository?: string | undefined;
  readonly volume?: string | undefined;
  readonly newId?: true | undefined;
  readonly start?: true | undefined;
  readonly instant?: true | undefined;
  readonly inPlace?: true | undefined;
  readonly confirm?: string | undefined;
  readonly disk?: string | undefined;
  readonly to?: string | undefined;
  readonly name?: string | undefined;
  readonly toDirectory?: string | undefined;
  readonly format?: (typeof formats)[number] | undefined;
}

export const restore: CommandDefinition = {
  description:
    'Restores a backup as a new VM, over the VM that it is of, one disk of it to another VM, or its disks to a directory. Any backup is a full one, whatever it was built on, and every block is proved before it is written.\n\nA new VM keeps the id and the network addresses of the old one if that is gone from the host, and gets its own otherwise.',
  examples: [
    { command: 'corral restore 6f1c2e9a-8b77-4d0e-9c53-0a1b2c3d4e5f --as web2', explains: 'a second VM' },
    {
      command: 'corral restore monday --repository vault --as web1 --start',
      explains: 'the VM is gone; start it at once',
    },
    {
      command: 'corral restore monday --as web1 --instant',
      explains: 'it runs in seconds, whatever its size',
    },
    { command: 'corral restore monday --in-place', explains: 'the VM as it was; asks twice' },
    {
      command: 'corral restore monday --disk data --to web1 --name data-monday',
      explains: 'one disk, to look at beside the present',
    },
    {
      command: 'corral restore monday --to-directory /srv/out --format vhdx',
      explains: 'for another hypervisor',
    },
  ],
  define: (command, context) => {
    command
      .argument('<backup>', 'id, or name if no other has it')
      .option('--as <name>', 'a new VM with this name')
      .option('--repository <repository>', 'that holds the backup; default: whichever does')
      .option('--volume <volume>', 'where the new VM lies')
      .option('--new-id', 'ids and network addresses of its own, also if the old VM is gone')
      .option('--in-place', 'over the VM that the backup is of, which must be off')
      .option('--confirm <name>', 'with --in-place: name of the VM, instead of being asked')
      .option('--disk <disk>', 'this disk alone')
      .option('--to <vm>', 'with --disk: the VM that gets it as another disk')
      .option('--name <name>', 'with --to: name of the disk in that VM; default: as in the backup')
      .option('--to-directory <directory>', 'of the host: disks, and the settings beside them')
      .addOption(new Option('--format <format>', 'of the files in the directory').choices(formats))
      .option('--start', 'start the VM')
      .option('--instant', 'with --as: run at once from the backup, copy the disks meanwhile')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (backup, options) => {
        await targetOf(options)(context, backup, options);
      });
  },
};

type Way = (context: Context, backup: string, options: Options) => Promise<void>;

/** @throws cli.usage unless exactly one target is given */
function targetOf(options: Options): Way {
  const ways: readonly [unknown, Way][] = [
    [options.as, asNewVm],
    [options.inPlace, inPlace],
    [options.to, toVm],
    [options.toDirectory, toDirectory],
  ];
  const chosen = ways.filter(([given]) => given !== undefined).map(([, way]) => way);
  const message =
    chosen.length !== 1
      ? 'Say where to: one of --as NAME, --in-place, --disk NAME --to VM and --to-directory DIRECTORY.'
      : options.to !== undefined && options.disk === undefined
        ? 'Say which disk, with --disk.'
        : options.disk !== undefined && options.to === undefined && options.toDirectory === undefined
          ? 'A single disk goes to a VM (--to) or to a directory (--to-directory).'
          : options.name !== undefined && options.to === undefined
            ? 'A name is for a disk that goes to a VM (--to); a new VM is named by --as.'
            : null;
  const problem = message ?? misplaced(options, chosen[0]!);
  if (problem !== null) throw cliErrors.usage({ message: problem, see });
  return chosen[0]!;
}

/** Nobody is to believe that an option had an effect which it has not. */
function misplaced(options: Options, way: Way): string | null {
  const places: readonly [keyof Options, string, readonly Way[]][] = [
    ['volume', '--volume is for a new VM (--as).', [asNewVm]],
    ['newId', '--new-id is for a new VM (--as).', [asNewVm]],
    ['instant', '--instant is for a new VM (--as).', [asNewVm]],
    ['start', '--start is for a VM that is restored (--as, --in-place).', [asNewVm, inPlace]],
    ['confirm', '--confirm is for --in-place.', [inPlace]],
    ['format', '--format is for files in a directory (--to-directory).', [toDirectory]],
  ];
  const wrong = places.find(([option, , ways]) => options[option] !== undefined && !ways.includes(way));
  return wrong?.[1] ?? null;
}

const sourceOf = ({ repository }: Options) => (repository === undefined ? {} : { repository });

const asNewVm: Way = async (context, backup, options) => {
  const { as: name, instant = false, newId = false, start = false, volume } = options;
  const request = {
    ...sourceOf(options),
    ...(name !== undefined && { name }),
    ...(volume !== undefined && { volume }),
    newId,
    start,
    instant,
  };
  await runVmOperation(
    context,
    options,
    (client) => client.restore.vm(backup, request, context.call),
    name!,
    (vm, operation) => `VM ${vm.name} is restored and ${vm.state}.${writtenIn(operation)}`,
  );
};

const inPlace: Way = async (context, backup, options) => {
  const client = await context.client();
  const { createdAt, vm } = await client.backup.show(backup, sourceOf(options), context.call);
  const confirm = options.confirm ?? (await confirmedName(context, { vm: vm.name, backup, createdAt }));
  const request = { ...sourceOf(options), confirm, start: options.start ?? false };
  await runVmOperation(
    context,
    options,
    () => client.restore.inPlace(backup, request, context.call),
    vm.id,
    (restored, operation) =>
      `VM ${restored.name} is as it was in ${backup}, and ${restored.state}.${writtenIn(operation)}`,
  );
};

const toVm: Way = async (context, backup, options) => {
  const { disk, name, to: vm } = options;
  const request = { ...sourceOf(options), disk: disk!, vm: vm!, ...(name !== undefined && { name }) };
  const start = (client: Client): Promise<Operation> => client.restore.disk(backup, request, context.call);
  await runOperation(context, options, start, async (client, operation) => {
    const added = idIn(operation, 'addOperationId');
    if (added !== null)
      await seeThrough(context, client, await client.operation.show(added, context.call), options);
    await say(
      context,
      operation,
      `Disk ${disk} is restored to VM ${vm}${name === undefined ? '' : ` as ${name}`}.${writtenIn(operation)}`,
    );
  });
};

const toDirectory: Way = async (context, backup, options) => {
  const isLocal = context.endpoint.kind === 'socket';
  const directory = hostPath(options.toDirectory!, isLocal, context.io.currentDirectory);
  const { disk, format = 'qcow2' } = options;
  const request = { ...sourceOf(options), directory, format, ...(disk !== undefined && { disks: [disk] }) };
  await runOperation(
    context,
    options,
    (client) => client.restore.files(backup, request, context.call),
    (_client, operation) =>
      say(context, operation, `Backup ${backup} is restored to ${directory}.${writtenIn(operation)}`),
  );
};

function writtenIn({ output }: Operation): string {
  const bytes = (output as { readonly writtenBytes?: unknown } | null)?.writtenBytes;
  return typeof bytes === 'number' ? ` ${formatSize(bytes)} were written.` : '';
}
