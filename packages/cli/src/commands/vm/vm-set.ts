import { Option } from '@commander-js/extra-typings';
import type { VmPatch } from '@corral/api/schemas/vm';
import { parseSize } from '@corral/core/units';
import { cliErrors } from '../../errors.ts';
import { parseAutostart } from '../../parse/autostart.ts';
import { parseBootOrder } from '../../parse/boot-order.ts';
import { hostPath } from '../../parse/host-path.ts';
import { wholeNumber } from '../../parse/numbers.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';
import { defined, kernelBoot } from './create-request.ts';
import { runVmOperation } from './vm-result.ts';

export const vmSet: CommandDefinition = {
  description:
    'Changes settings of a VM. What a running VM cannot take up at once holds from its next start; the command says which.',
  examples: [
    { command: 'corral vm set web1 --cpus 4 --memory 2GiB', explains: 'more of both' },
    { command: 'corral vm set web1 --iso debian.iso --boot cdrom,disk:root', explains: 'boot from an ISO' },
    { command: 'corral vm set web1 --no-iso --no-autostart', explains: 'take both away' },
  ],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .option('--cpus <count>', 'processors', wholeNumber('a number of processors', 1, 1024))
      .option('--memory <size>', 'such as 2GiB', (text: string): number => parseSize(text))
      .addOption(new Option('--firmware <firmware>', 'of the machine').choices(['bios', 'uefi'] as const))
      .option('--secure-boot', 'with Secure Boot')
      .option('--no-secure-boot', 'without')
      .option('--tpm', 'with a TPM')
      .option('--no-tpm', 'without')
      .option('--boot <devices>', 'what is tried first: disk:NAME,port:NAME,cdrom', parseBootOrder)
      .option('--kernel <file>', 'boot this kernel of the host directly')
      .option('--no-kernel', 'boot from the disks again')
      .option('--initrd <file>', 'with --kernel')
      .option('--cmdline <text>', 'with --kernel: its command line')
      .option('--iso <file>', 'put this file of the host into its drive')
      .option('--no-iso', 'empty the drive')
      .option('--autostart <order>', 'start with the host: ORDER[:DELAY]', parseAutostart)
      .option('--no-autostart', 'do not start with the host')
      .addOption(
        new Option('--autostop <way>', 'what the host does to it when it shuts down').choices([
          'save',
          'shutdown',
          'stop',
        ] as const),
      )
      .option(
        '--generation <number>',
        'refuse when the settings are no longer those of this generation',
        (text: string) => wholeNumber('a generation', 1, Number.MAX_SAFE_INTEGER)(text),
      )
      .option(...noWait)
      .option(...waitLimit)
      .action(async (vm, { wait, waitLimit: limit, generation, ...options }) => {
        const path = (file: string): string =>
          hostPath(file, context.endpoint.kind === 'socket', context.io.currentDirectory);
        const patch = patchOf(options, path);
        await runVmOperation(
          context,
          { wait, waitLimit: limit },
          (client) => client.vm.update(vm, patch, { ...context.call, ifMatch: generation ?? '*' }),
          vm,
          ({ name, pendingRestart }) =>
            pendingRestart.length === 0
              ? `VM ${name} is changed.`
              : `VM ${name} is changed; from its next start: ${pendingRestart.join(', ')}.`,
        );
      });
  },
};

interface SetOptions {
  readonly cpus?: number | undefined;
  readonly memory?: number | undefined;
  readonly firmware?: 'bios' | 'uefi' | undefined;
  readonly secureBoot?: boolean | undefined;
  readonly tpm?: boolean | undefined;
  readonly boot?: readonly string[] | undefined;
  readonly kernel?: string | boolean | undefined;
  readonly initrd?: string | undefined;
  readonly cmdline?: string | undefined;
  readonly iso?: string | boolean | undefined;
  readonly autostart?: { readonly order: number; readonly delayMs: number } | boolean | undefined;
  readonly autostop?: 'save' | 'shutdown' | 'stop' | undefined;
}

/** `--no-X` gives false, which takes X away: null in the merge patch (RFC 7396). @throws cli.usage without a change */
export function patchOf(options: SetOptions, path: (file: string) => string): VmPatch {
  const { kernel, initrd, cmdline, iso, autostart, boot } = options;
  const patch = defined({
    cpus: options.cpus,
    memoryBytes: options.memory,
    firmware: options.firmware,
    secureBoot: options.secureBoot,
    tpm: options.tpm,
    bootOrder: boot && [...boot],
    kernel: kernel === false ? null : kernelBoot(defined({ kernel: text(kernel), initrd, cmdline }), path),
    iso: iso === false ? null : text(iso) && path(text(iso)!),
    autostart: autostart === false ? null : autostart === true ? undefined : autostart,
    autostop: options.autostop,
  });
  if (Object.keys(patch).length > 0) return patch;
  throw cliErrors.usage({ message: 'Nothing to change was given.', see: 'corral vm set --help' });
}

/** An option with a `--no-` form could be true by its type; commander gives its text or false. */
function text(value: string | boolean | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
