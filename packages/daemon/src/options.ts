/** corrald's command line. */
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { namePattern } from '@corral/core/ids';
import { parseDuration, parseSize } from '@corral/core/units';
import { type CheckpointLimits, defaultCheckpointLimits } from '@corral/host/checkpoint/checkpoint-watcher';
import { daemonErrors } from './errors.ts';
import { defaultListenAddress, type ListenAddress, parseListenAddress } from './http/listen-address.ts';

export interface DaemonOptions {
  readonly dataDirectory: string;
  /** The TLS endpoint. */
  readonly listen: ListenAddress;
  readonly nodeName: string;
  /** What all backups together may read; null: no limit. */
  readonly backupBytesPerSecond: number | null;
  /** What each merge below a running guest may copy; 0: no limit. */
  readonly mergeBytesPerSecond: number;
  /** When a checkpoint is warned of. */
  readonly checkpointLimits: CheckpointLimits;
}

export const usage = `corrald - the host daemon of Corral

  corrald --data DIR [--listen HOST:PORT] [--name NODE] [--backup-bandwidth SIZE]
          [--merge-bandwidth SIZE|none] [--checkpoint-age DURATION] [--checkpoint-part PERCENT]

  --data DIR          everything of this host lies there; one daemon at a time
  --listen HOST:PORT  the HTTPS endpoint; default 127.0.0.1:7443, port 0 takes a free one
  --name NODE         how this host is called; default: its host name
  --backup-bandwidth SIZE  what all backups together may read per second, such as 100MiB; default: no limit
  --merge-bandwidth SIZE   what a merge below a running guest may copy per second; default 200MiB; none: no limit
  --checkpoint-age D  warns of a checkpoint that is older; default 7d
  --checkpoint-part P warns when so much of its disks was written since; default 25%

CORRAL_QEMU names the QEMU to run; default /usr/bin/qemu-system-x86_64.
It prints "corrald ready" and its endpoints. SIGTERM and Ctrl-C end it; VMs run on.
`;

/** @throws daemon.usage, daemon.bad-listen-address. @returns null when help was asked for */
export function parseOptions(args: readonly string[]): DaemonOptions | null {
  const { values } = parse(args);
  if (values.help) return null;
  if (!values.data) throw daemonErrors.usage({ reason: 'Where is the data directory? Give --data DIR.' });
  const nodeName = values.name ?? defaultName();
  if (!namePattern.test(nodeName)) {
    throw daemonErrors.usage({ reason: `"${nodeName}" cannot be the name of a node.` });
  }
  return {
    dataDirectory: resolve(values.data),
    listen: values.listen === undefined ? defaultListenAddress : parseListenAddress(values.listen),
    nodeName,
    backupBytesPerSecond: parseBandwidth('--backup-bandwidth', values['backup-bandwidth']) ?? null,
    mergeBytesPerSecond: mergeBandwidth(values['merge-bandwidth']),
    checkpointLimits: checkpointLimits(values['checkpoint-age'], values['checkpoint-part']),
  };
}

/** Less than a block of the repository would hardly move. @throws daemon.usage, unit.size */
function parseBandwidth(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const bytes = parseSize(text);
  if (bytes < 65_536) throw daemonErrors.usage({ reason: `${option} is 64KiB at least.` });
  return bytes;
}

/** A disk that does 200 MiB/s and more is common; one that is slower slows the guest and the merge alike. */
const defaultMergeBytesPerSecond = 200 * 2 ** 20;

function mergeBandwidth(text: string | undefined): number {
  return text === 'none' ? 0 : (parseBandwidth('--merge-bandwidth', text) ?? defaultMergeBytesPerSecond);
}

function checkpointLimits(age: string | undefined, part: string | undefined): CheckpointLimits {
  const { ageMs, part: defaultPart } = defaultCheckpointLimits;
  return {
    ageMs: age === undefined ? ageMs : durationOf(age),
    part: part === undefined ? defaultPart : partOf(part),
  };
}

function durationOf(text: string): number {
  try {
    return parseDuration(text);
  } catch (cause) {
    throw daemonErrors.usage({ reason: (cause as Error).message }, { cause });
  }
}

function partOf(text: string): number {
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(text)?.[1];
  if (percent === undefined)
    throw daemonErrors.usage({ reason: `"${text}" is no part of a disk, such as 25%.` });
  return Number(percent) / 100;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        data: { type: 'string' },
        listen: { type: 'string' },
        name: { type: 'string' },
        'backup-bandwidth': { type: 'string' },
        'merge-bandwidth': { type: 'string' },
        'checkpoint-age': { type: 'string' },
        'checkpoint-part': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (cause) {
    throw daemonErrors.usage({ reason: (cause as Error).message }, { cause });
  }
}

/** A host name may hold what a name of ours may not. */
function defaultName(): string {
  const name = hostname()
    .replaceAll(/[^A-Za-z0-9._-]/g, '-')
    .slice(0, 63);
  return namePattern.test(name) ? name : 'host';
}
