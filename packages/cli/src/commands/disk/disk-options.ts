/** What the commands on disk files have in common. */
import { resolve } from 'node:path';
import { type Command, Option, type OptionValues } from '@commander-js/extra-typings';
import { namedFormat } from '@corral/disk/format-names';
import { cliErrors } from '../../errors.ts';
import type { Io } from '../../io.ts';
import { repeated } from '../repeated.ts';

/** As @corral/disk names them; it is loaded only when a command works. */
export const formats = ['raw', 'qcow2', 'vhd', 'vhdx'] as const;
export type Format = (typeof formats)[number];

export const formatHelp = 'default: recognised from its content';

export const allowHelp = 'a folder, besides its own, in which parents may lie; may be given several times';

/** Of a new file: what is asked for, else what its name says. @throws cli.usage when neither does */
export function formatOfNew(path: string, asked: Format | undefined): Format {
  const format = asked ?? namedFormat(path);
  if (format) return format;
  const message = `The name ${path} does not say which format it is to have; give --format.`;
  throw cliErrors.usage({ message, see: 'corral disk --help' });
}

/** How a file and its parents are opened; `chainOptions` takes them. */
export function withChainOptions<Arguments extends unknown[], Options extends OptionValues>(
  command: Command<Arguments, Options>,
) {
  return command
    .addOption(new Option('--format <format>', formatHelp).choices(formats))
    .option('--allow <directory>', allowHelp, repeated(String));
}

/** Options of the disk library that say where a chain may lie. */
export function chainOptions(
  io: Io,
  given: { readonly format?: Format | undefined; readonly allow?: readonly string[] | undefined },
) {
  const { format, allow } = given;
  return {
    signal: io.signal,
    ...(format && { format }),
    ...(allow && { allowedFolders: allow.map((folder) => resolve(io.currentDirectory, folder)) }),
  };
}

export function localPath(io: Io, path: string): string {
  return resolve(io.currentDirectory, path);
}
