/** corrald's command line. */
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { defineErrors, error } from '@corral/core/errors';
import { namePattern } from '@corral/core/ids';

export const optionErrors = defineErrors('corrald', {
  usage: error<{ reason: string }>(
    400,
    'Wrong arguments',
    (p) => `${p.reason}\nUsage: corrald --data DIR [--listen HOST:PORT] [--name NODE]`,
  ),
});

export interface DaemonOptions {
  readonly dataDirectory: string;
  /** Null: no TLS endpoint. */
  readonly listen: { readonly host: string; readonly port: number } | null;
  readonly nodeName: string;
}

export const usage = `corrald - the host daemon of Corral

  corrald --data DIR [--listen HOST:PORT] [--name NODE]

  --data DIR          everything of this host lies there; one daemon at a time
  --listen HOST:PORT  the HTTPS endpoint; default 127.0.0.1:8443, port 0 takes a free one, "none" has none
  --name NODE         how this host is called; default: its host name

It prints "corrald ready" and its endpoints. SIGTERM and Ctrl-C end it; VMs run on.
`;

/** @throws corrald.usage. @returns null when help was asked for */
export function parseOptions(args: readonly string[]): DaemonOptions | null {
  const { values } = parse(args);
  if (values.help) return null;
  if (!values.data) throw optionErrors.usage({ reason: 'Where is the data directory? Give --data DIR.' });
  const nodeName = values.name ?? defaultName();
  if (!namePattern.test(nodeName)) {
    throw optionErrors.usage({ reason: `"${nodeName}" cannot be the name of a node.` });
  }
  return { dataDirectory: resolve(values.data), listen: parseListen(values.listen), nodeName };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        data: { type: 'string' },
        listen: { type: 'string', default: '127.0.0.1:8443' },
        name: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (cause) {
    throw optionErrors.usage({ reason: (cause as Error).message }, { cause });
  }
}

function parseListen(text: string): DaemonOptions['listen'] {
  if (text === 'none') return null;
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) {
    throw optionErrors.usage({ reason: `"${text}" is not HOST:PORT, such as 127.0.0.1:8443.` });
  }
  return { host: (match[1] ?? match[2])!, port };
}

/** A host name may hold what a name of ours may not. */
function defaultName(): string {
  const name = hostname()
    .replaceAll(/[^A-Za-z0-9._-]/g, '-')
    .slice(0, 63);
  return namePattern.test(name) ? name : 'host';
}
