/**
 * Runs in a guest that systemd has booted: gives a process that stands in for QEMU its control group, as the daemon does.
 * Prints what came of it as JSON. The last stand-in runs on, and its id is in the file that is named.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { groupPath } from '@corral/host/control-group/scope';
import { VmScopes } from '@corral/host/control-group/vm-scopes';
import { readGroupFigures } from '@corral/host/metrics/group-figures';
import { killProcess, type ProcessIdentity } from '@corral/host/process/process-identity';
import { spawnDetached } from '@corral/host/process/spawn-detached';
import type { VmRecord } from '@corral/host/vm/vm-record';

const id = '7d1f0000-0000-4000-8000-000000000001';
const uid = 1_900_000_000;
const [pidFile] = process.argv.slice(2);

const warnings: string[] = [];
const ignore = (): void => undefined;
const scopes = new VmScopes({
  debug: ignore,
  info: ignore,
  error: ignore,
  warn: ({ err }, message) => void warnings.push(`${message}: ${(err as Error).message}`),
});

async function standIn(): Promise<ProcessIdentity> {
  const { identity } = await spawnDetached({
    program: '/bin/sleep',
    args: ['infinity'],
    cwd: '/',
    user: { uid, gid: uid },
    logPath: '/run/stand-in.log',
  });
  return identity!;
}

function recordOf(identity: ProcessIdentity): VmRecord {
  const settings = { id, name: 'web1', cpus: 2, memoryBytes: 256 * 2 ** 20, tpm: false };
  return { settings, process: { ...identity, applied: settings } } as unknown as VmRecord;
}

const groupOf = (pid: number): string => groupPath(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))!;

const support = await scopes.support();
const first = await standIn();
await scopes.place(recordOf(first));
await scopes.place(recordOf(first));
const group = groupOf(first.pid);
const setting = (name: string): string => readFileSync(`/sys/fs/cgroup${group}/${name}`, 'utf8').trim();
const limits = [setting('memory.max'), setting('cpu.max'), setting('pids.max')];
const figures = await readGroupFigures(first.pid, id);
const owner = statSync(`/proc/${first.pid}`).uid;

// A stop and a start at once: systemd may not have seen yet that the scope is empty.
await killProcess('the stand-in', first);
const second = await standIn();
await scopes.place(recordOf(second));
const groupAgain = groupOf(second.pid);
const scope = execFileSync('systemctl', ['show', '--property=Before,Slice', `corral-vm-${id}.scope`], {
  encoding: 'utf8',
});
writeFileSync(pidFile!, String(second.pid));
console.log(JSON.stringify({ support, group, limits, figures, owner, groupAgain, scope, warnings }));
