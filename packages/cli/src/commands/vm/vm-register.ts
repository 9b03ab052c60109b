import type { VmRegister } from '@corral/api/schemas/registration';
import type { Network } from '@corral/api/schemas/vm-settings';
import { CommandEnded } from '../../command-ended.ts';
import type { Context } from '../../context.ts';
import { cliErrors } from '../../errors.ts';
import { show } from '../../output.ts';
import { hostPath } from '../../parse/host-path.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { repeated } from '../repeated.ts';
import { noWait, waitLimit } from '../wait-options.ts';
import { runVmOperation } from './vm-result.ts';

export const vmRegister: CommandDefinition = {
  description:
    'Brings back a VM from its files: an export of a checkpoint, or the folder of a VM whose host is gone, with its checkpoints. It is taken over where it lies, or copied with --copy. What does not fit this host is reported first; --dry-run reports and changes nothing.',
  examples: [
    { command: 'corral vm register /mnt/old/vms/7f0c… --dry-run', explains: 'what would not fit here' },
    { command: 'corral vm register /srv/exports/web1 --copy', explains: 'a copy; the export stays' },
    {
      command: 'corral vm register /srv/exports/web1 --copy --new-id --name web2',
      explains: 'another VM, with ids and addresses of its own',
    },
    {
      command: 'corral vm register /srv/exports/monday --differential /srv/exports/tuesday --copy',
      explains: 'a full export, and what changed since on top',
    },
    {
      command: 'corral vm register /srv/exports/web1 --switch lan=br0',
      explains: 'its ports on bridge lan are put on bridge br0',
    },
  ],
  define: (command, context) => {
    command
      .argument('<directory>', 'directory on the host that holds vm.json')
      .option('--copy', 'copy the files instead of taking them over where they lie')
      .option(
        '--differential <directory...>',
        'differential exports that continue it, in their order; needs --copy',
      )
      .option('--new-id', 'another VM than the one it was')
      .option('--name <new-name>', 'another name')
      .option(
        '--switch <old=new>',
        'a network as the files say, and the one of this host',
        repeated(parseSwitch),
      )
      .option('--dry-run', 'report what does not fit, and change nothing')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (directory, { copy, differential, newId, name, switch: switches, dryRun, ...choice }) => {
        const request: VmRegister = {
          directory: hostPath(directory, context.endpoint.kind === 'socket', context.io.currentDirectory),
          copy: copy ?? false,
          differentials: (differential ?? []).map((each) =>
            hostPath(each, context.endpoint.kind === 'socket', context.io.currentDirectory),
          ),
          newId: newId ?? false,
          switches: Object.fromEntries(switches ?? []),
          ...(name !== undefined && { name }),
        };
        if (dryRun) return report(context, request);
        await runVmOperation(
          context,
          choice,
          (client) => client.vm.register(request, context.call),
          name ?? directory,
          (vm) => `VM ${vm.name} is registered and ${vm.state}.`,
        );
      });
  },
};

/** Ends with exit code 1 if the VM could not be registered as asked. */
async function report(context: Context, request: VmRegister): Promise<void> {
  const client = await context.client();
  const found = await client.vm.registration.check(request, context.call);
  await show(
    context,
    found,
    async () => (await import('../../views/registration-view.ts')).registrationReport,
  );
  if (!found.fits) throw new CommandEnded(1);
}

/** @throws cli.value */
function parseSwitch(text: string): readonly [string, Network] {
  const [, from, to] = /^([^=]+)=([^=]+)$/.exec(text) ?? [];
  if (from !== undefined && to !== undefined) return [networkOf(from), networkOf(to)];
  throw cliErrors.value({
    what: 'a switch',
    text,
    expected: 'Write OLD=NEW, such as lan=br0, or lan=user.',
  });
}

/** A name alone is that of a bridge. */
function networkOf(text: string): Network {
  return text === 'user' || text.startsWith('bridge:') ? text : `bridge:${text}`;
}
