/** What the installed QEMU is and can do: asked of it, not guessed from its version. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withLimit } from '@corral/core/abort';
import { QmpClient } from '@corral/qmp/qmp-client';
import { hostErrors } from './errors.ts';

export interface QemuFacts {
  readonly path: string;
  readonly version: string;
  /** What a new VM is pinned to: the newest Q35 machine. */
  readonly machineType: string;
  /** Every machine type that it has, under all of its names. */
  readonly machineTypes: ReadonlySet<string>;
  /** CPU models that this host can run with the accelerator. */
  readonly cpuModels: ReadonlySet<string>;
}

const leastVersion: readonly [number, number] = [7, 2];
const askLimitMs = 20_000;

/** Of what it prints when it refuses to start. */
const longestLastWords = 2_000;

/** @throws host.qemu-missing, host.qemu-unusable, host.qemu-too-old */
export async function askQemu(path: string, accelerator: 'kvm' | 'tcg'): Promise<QemuFacts> {
  const folder = await mkdtemp(join(tmpdir(), 'corral-qemu-'));
  const socket = join(folder, 'qmp.sock');
  const child = spawn(
    path,
    [
      '-machine',
      'q35',
      '-accel',
      accelerator,
      '-nodefaults',
      '-no-user-config',
      '-display',
      'none',
      '-S',
      '-qmp',
      `unix:${socket},server=on,wait=off`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let words = '';
  child.stderr.on('data', (data: Buffer) => {
    words = (words + data.toString()).slice(-longestLastWords);
  });
  const failed = once(child, 'error').then(([cause]) => {
    throw hostErrors['qemu-missing']({ binary: path }, { cause });
  });
  // All that it printed has been read when its streams are closed.
  const exited = once(child, 'close');
  const ended = exited.then(() => {
    throw hostErrors['qemu-unusable']({ binary: path, lastWords: words.trim() });
  });
  try {
    return await Promise.race([
      failed,
      ended,
      withLimit('Asking QEMU what it can do', askLimitMs, undefined, (signal) => ask(path, socket, signal)),
    ]);
  } finally {
    child.kill('SIGKILL');
    if (child.pid !== undefined) await exited;
    await rm(folder, { recursive: true, force: true });
  }
}

async function ask(path: string, socket: string, signal: AbortSignal): Promise<QemuFacts> {
  await using qmp = await QmpClient.connect(socket, { starting: true, limitMs: askLimitMs, signal });
  const { major, minor, micro } = qmp.version.qemu;
  const version = `${major}.${minor}.${micro}`;
  if (major < leastVersion[0] || (major === leastVersion[0] && minor < leastVersion[1])) {
    throw hostErrors['qemu-too-old']({ version, least: leastVersion.join('.') });
  }
  const machines = await qmp.execute('query-machines');
  const models = await qmp.execute('query-cpu-definitions');
  const runnable = models.filter((model) => (model['unavailable-features'] ?? []).length === 0);
  return {
    path,
    version,
    machineType: machines.find((machine) => machine.alias === 'q35')!.name,
    machineTypes: new Set(machines.flatMap(({ name, alias }) => (alias ? [name, alias] : [name]))),
    cpuModels: new Set(runnable.map(({ name }) => name)),
  };
}

/**
 * One model for each level of the x86-64 psABI that guests are built for, the highest first. A named model, unlike
 * `host`, is the same on every host that can run it, so the VM can move.
 */
const cpuLadder = ['Skylake-Server-noTSX-IBRS', 'Haswell-noTSX', 'Nehalem', 'qemu64'];

/** The model that a new VM is pinned to. Pure. */
export function chooseCpuModel(facts: Pick<QemuFacts, 'cpuModels'>, accelerator: 'kvm' | 'tcg'): string {
  // TCG lacks features of the newer models and would warn of each at every start.
  const ladder = accelerator === 'kvm' ? cpuLadder : cpuLadder.slice(2);
  return ladder.find((model) => facts.cpuModels.has(model)) ?? 'qemu64';
}
