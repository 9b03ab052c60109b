/** From the options of `vm create` to the request: paths made absolute, files of this machine read. */
import type { DiskSource, SeedSource, VmCreate } from '@corral/api/schemas/vm';
import type { Context } from '../../context.ts';
import { cliErrors } from '../../errors.ts';
import { readTextFile } from '../../files.ts';
import type { AutostartValue } from '../../parse/autostart.ts';
import { hostPath } from '../../parse/host-path.ts';
import type { NetworkChoice } from '../../parse/port-source.ts';
import { isSshKey, sshKeysIn } from '../../parse/ssh-key.ts';

export interface CreateOptions {
  readonly image?: string | undefined;
  readonly volume?: string | undefined;
  readonly linked?: true | undefined;
  readonly profile?: VmCreate['profile'];
  readonly cpus?: number | undefined;
  readonly memory?: number | undefined;
  readonly disk?: readonly DiskSource[] | undefined;
  readonly network?: readonly NetworkChoice[] | undefined;
  readonly iso?: string | undefined;
  readonly firmware?: VmCreate['firmware'];
  readonly secureBoot?: boolean | undefined;
  readonly tpm?: boolean | undefined;
  readonly boot?: readonly string[] | undefined;
  readonly kernel?: string | undefined;
  readonly initrd?: string | undefined;
  readonly cmdline?: string | undefined;
  readonly sshKey?: readonly string[] | undefined;
  readonly hostname?: string | undefined;
  readonly userData?: string | undefined;
  readonly autostart?: AutostartValue | undefined;
  readonly autostop?: VmCreate['autostop'];
  readonly keepCheckpoints?: true | undefined;
  readonly start?: true | undefined;
}

/** What the API takes of user data. */
const longestUserData = 65_536;
const longestKeyFile = 65_536;

type Surroundings = Pick<Context, 'io' | 'endpoint'>;

/** What is not asked for is left out: the daemon knows the defaults. @throws cli.usage; cli.value; cli.file */
export async function createRequest(name: string, options: CreateOptions, around: Surroundings) {
  const path = (file: string): string =>
    hostPath(file, around.endpoint.kind === 'socket', around.io.currentDirectory);
  const kernel = kernelBoot(options, path);
  const seed = await seedSource(options, around);
  return {
    name,
    ...defined({
      image: options.image,
      volume: options.volume,
      linked: options.linked,
      profile: options.profile,
      cpus: options.cpus,
      memoryBytes: options.memory,
      firmware: options.firmware,
      secureBoot: options.secureBoot,
      tpm: options.tpm,
      bootOrder: options.boot && [...options.boot],
      iso: options.iso && path(options.iso),
      autostart: options.autostart,
      autostop: options.autostop,
      keepCheckpoints: options.keepCheckpoints,
      start: options.start,
    }),
    ...(kernel && { kernel }),
    ...(seed && { seed }),
    ...(options.disk && { disks: options.disk.map((disk) => withHostPath(disk, path)) }),
    ...(options.network && { ports: portsOf(options.network) }),
  };
}

/** A copy without the members that are undefined. */
export function defined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

export function withHostPath(disk: DiskSource, path: (file: string) => string): DiskSource {
  return disk.from === undefined ? disk : { ...disk, from: path(disk.from) };
}

/** @throws cli.usage for 'none' beside others */
function portsOf(choices: readonly NetworkChoice[]) {
  const ports = choices.filter((choice) => choice !== 'none');
  if (ports.length === 0 || ports.length === choices.length) return ports;
  throw usage('"--network none" stands alone: the VM gets no port.');
}

/** @throws cli.usage for its parts without a kernel */
export function kernelBoot(
  { kernel, initrd, cmdline }: Pick<CreateOptions, 'kernel' | 'initrd' | 'cmdline'>,
  path: (file: string) => string,
) {
  if (kernel !== undefined) {
    return {
      kernel: path(kernel),
      initrd: initrd === undefined ? null : path(initrd),
      cmdline: cmdline ?? '',
    };
  }
  if (initrd === undefined && cmdline === undefined) return undefined;
  throw usage('--initrd and --cmdline go with --kernel.');
}

async function seedSource(options: CreateOptions, { io }: Surroundings): Promise<SeedSource | undefined> {
  const { hostname, userData, sshKey = [] } = options;
  if (hostname === undefined && userData === undefined && sshKey.length === 0) return undefined;
  const keys: string[] = [];
  for (const given of sshKey) {
    if (isSshKey(given)) keys.push(given.trim());
    else keys.push(...sshKeysIn(await readTextFile(io, given, longestKeyFile), given));
  }
  return {
    ...(hostname !== undefined && { hostname }),
    ...(keys.length > 0 && { sshKeys: keys }),
    ...(userData !== undefined && { userData: await readTextFile(io, userData, longestUserData) }),
  };
}

function usage(message: string): Error {
  return cliErrors.usage({ message, see: 'corral vm create --help' });
}
