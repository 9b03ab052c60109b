/** The peer: the very command lines that Corral used, started by a shell script, with nothing watching over them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Vm } from '@corral/api/schemas/vm';
import { identify, killProcess } from '@corral/host/process/process-identity';
import { processesOf } from '../../test/support/processes.ts';
import { untilPrompt } from './prompt.ts';

/** One VM's QEMU, as it was seen to run. */
export interface CommandLine {
  readonly vmId: string;
  readonly uid: number;
  readonly args: readonly string[];
}

/** Of a VM that runs. `-S` goes: without a monitor's client nobody would let the guest go. */
export function commandLineOf({ id, pid }: Pick<Vm, 'id' | 'pid'>): CommandLine {
  const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  return { vmId: id, uid: statSync(`/proc/${pid}`).uid, args: args.filter((arg) => arg !== '-S') };
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

function scriptOf(data: string, lines: readonly CommandLine[]): string {
  const each = lines.map(({ vmId, uid, args }) => {
    const run = quoted(join('run', vmId));
    const user = `--reuid ${uid} --regid ${uid} --clear-groups`;
    return `mkdir -m 0700 ${run}; chown ${uid}:${uid} ${run}; setpriv ${user} ${args.map(quoted).join(' ')} >/dev/null 2>&1 &`;
  });
  return ['set -e', `cd ${quoted(data)}`, ...each].join('\n');
}

/** @returns milliseconds from the script's start until every guest has shown its prompt */
export async function plainStart(
  data: string,
  lines: readonly CommandLine[],
  daemonPid: number,
  limitMs: number,
): Promise<number> {
  const began = performance.now();
  try {
    const shell = spawn('sh', ['-c', scriptOf(data, lines)], { stdio: 'ignore' });
    await Promise.all([
      once(shell, 'exit'),
      ...lines.map(async ({ vmId }) => {
        using serial = await connected(join(data, 'run', vmId, 'serial.sock'), began + limitMs);
        await untilPrompt(serial, limitMs);
      }),
    ]);
    return performance.now() - began;
  } finally {
    await end(data, daemonPid);
    for (const { vmId } of lines) await rm(join(data, 'run', vmId), { recursive: true, force: true });
  }
}

async function end(data: string, daemonPid: number): Promise<void> {
  for (const pid of processesOf(data).filter((each) => each !== daemonPid)) {
    const identity = await identify(pid);
    if (identity) await killProcess('a QEMU of the script', identity);
  }
}

const askEveryMs = 5;

/** The socket is there as soon as QEMU has read its command line. */
async function connected(path: string, deadline: number): Promise<Socket & Disposable> {
  for (;;) {
    const socket = connect(path);
    const opened = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false);
    if (opened) return Object.assign(socket, { [Symbol.dispose]: () => void socket.destroy() });
    if (performance.now() > deadline) throw new Error(`nobody listens at ${path}`);
    await new Promise((resolve) => setTimeout(resolve, askEveryMs));
  }
}
