import { Option } from '@commander-js/extra-typings';
import { parseSize } from '@corral/core/units';
import { parseAutostart } from '../../parse/autostart.ts';
import { parseBootOrder } from '../../parse/boot-order.ts';
import { parseDiskSource } from '../../parse/disk-source.ts';
import { wholeNumber } from '../../parse/numbers.ts';
import { parseNetworkChoice } from '../../parse/port-source.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { repeated } from '../repeated.ts';
import { noWait, waitLimit } from '../wait-options.ts';
import { createRequest } from './create-request.ts';
import { copiesIn, runVmOperation } from './vm-result.ts';

export const vmCreate: CommandDefinition = {
  description:
    'Creates a VM. Without --image it has the disks that --disk names and nothing on them: give it an --iso to install from.\n\nA disk is NAME=SIZE (blank; with ,format=ext4 the host formats it), NAME=from:FILE (a copy of a raw, qcow2, VHD or VHDX file of the host; of an AVHDX with its parents, as one file or, with --keep-checkpoints, as a chain) or NAME=device:/dev/X (a device of the host, passed through: no checkpoints, no tracked backup). A network is user, bridge:NAME or none. --disk, --network and --ssh-key may be given several times.',
  examples: [
    { command: 'corral vm create web1 --image micro --start', explains: 'a small Linux that runs at once' },
    {
      command:
        'corral vm create db1 --image debian12 --cpus 4 --memory 8GiB --disk data=100GiB --network bridge:br0',
      explains: 'a copy of an image, a second disk, on a bridge',
    },
    {
      command:
        'corral vm create dev1 --image debian12 --linked --hostname dev1 --ssh-key ~/.ssh/id_ed25519.pub --start',
      explains: 'a differencing disk on the image, prepared by cloud-init',
    },
    {
      command:
        'corral vm create win1 --profile windows --memory 4GiB --cpus 2 --disk system=60GiB --iso win2022.iso --start',
      explains: 'Windows, to be installed from its ISO',
    },
    {
      command: 'corral vm create db2 --image debian12 --volume fast --disk log=20GiB,volume=bulk',
      explains: 'at home on one volume, with a disk on another',
    },
    {
      command: 'corral vm create web2 --disk system=from:web2_7A1C.avhdx --keep-checkpoints',
      explains: 'from a chain of differencing disks, with its older states as checkpoints',
    },
    {
      command: 'corral vm create dns1 --image micro --autostart 10:30s',
      explains: 'started with the host, early; the next order comes 30 s later',
    },
  ],
  define: (command, context) => {
    command
      .argument('<name>', 'name of the new VM')
      .option('--image <image>', 'make it from this image')
      .option('--volume <volume>', 'where its folder and disks lie; default: the data directory')
      .option('--linked', 'a differencing disk on the image instead of a copy')
      .addOption(
        new Option(
          '--profile <profile>',
          'what the guest system needs; default: that of the image, else linux',
        ).choices(['linux', 'windows', 'micro'] as const),
      )
      .option('--cpus <count>', 'processors; default: 1', wholeNumber('a number of processors', 1, 1024))
      .option('--memory <size>', 'default: 256MiB', (text: string): number => parseSize(text))
      .option(
        '--disk <source>',
        'NAME=1GiB[,format=ext4|qcow2|raw][,bus=virtio|sata][,volume=V], NAME=from:FILE or NAME=device:/dev/X',
        repeated(parseDiskSource),
      )
      .option(
        '--keep-checkpoints',
        'copy files with parents as chains: each state below the newest becomes a checkpoint',
      )
      .option(
        '--network <network>',
        'user, bridge:NAME or none, with [,model=virtio|e1000][,name=PORT]; default: user',
        repeated(parseNetworkChoice),
      )
      .option('--iso <file>', 'put this file of the host into its drive')
      .addOption(
        new Option('--firmware <firmware>', 'default: that of the profile').choices([
          'bios',
          'uefi',
        ] as const),
      )
      .option('--secure-boot', 'with Secure Boot; needs uefi')
      .option('--no-secure-boot', 'without, whatever the profile says')
      .option('--tpm', 'with a TPM')
      .option('--no-tpm', 'without, whatever the profile says')
      .option('--boot <devices>', 'what is tried first: disk:NAME,port:NAME,cdrom', parseBootOrder)
      .option('--kernel <file>', 'boot this kernel of the host directly')
      .option('--initrd <file>', 'with --kernel')
      .option('--cmdline <text>', 'with --kernel: its command line')
      .option('--ssh-key <key>', 'for cloud-init: a public key or a file of them', repeated(String))
      .option('--hostname <name>', 'for cloud-init')
      .option('--user-data <file>', 'for cloud-init: a file of this machine, - for standard input')
      .option('--autostart <order>', 'start with the host: ORDER[:DELAY], lowest order first', parseAutostart)
      .addOption(
        new Option('--autostop <way>', 'what the host does to it when it shuts down; default: save').choices([
          'save',
          'shutdown',
          'stop',
        ] as const),
      )
      .option('--start', 'start it when it is created')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (name, { wait, waitLimit: limit, ...options }) => {
        const request = await createRequest(name, options, context);
        await runVmOperation(
          context,
          { wait, waitLimit: limit },
          (client) => client.vm.create(request, context.call),
          name,
          (vm, operation) => `VM ${vm.name} is created and ${vm.state}.${copiesIn(operation)}`,
        );
      });
  },
};
