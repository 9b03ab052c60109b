/** The command lines of what is measured: Corral, and restic and borg as Debian ships them. */
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';

export type Step = 'create' | 'full' | 'same' | 'incremental' | 'restore' | 'verify';

export interface Peer {
  readonly name: string;
  /** `newest`: the step that made the backup to restore. */
  command(
    step: Step,
    files: BenchFiles,
    newest: Step,
  ): { command: string[]; cwd?: string; env?: Record<string, string> };
}

export interface BenchFiles {
  readonly repository: string;
  readonly image: string;
  /** JSON list of the blocks that changed. */
  readonly changes: string;
  readonly restored: string;
}

const corralRun = new URL('./corral-run.ts', import.meta.url).pathname;

function corral(name: string, env: Record<string, string>): Peer {
  return {
    name,
    command: (step, { repository, image, changes, restored }) => ({
      command: [
        process.execPath,
        corralRun,
        step,
        repository,
        step === 'restore' ? restored : image,
        changes,
      ],
      // As bin/corral and bin/corrald run.
      env: { ...env, NODE_COMPILE_CACHE: path.join(tmpdir(), 'corral-bench-compile-cache') },
    }),
  };
}

const restic: Peer = {
  name: 'restic',
  command: (step, { repository, image, restored }) => {
    const steps: Record<Step, string[]> = {
      create: ['init', '--repository-version', '2'],
      full: ['backup', image],
      same: ['backup', '--force', image],
      incremental: ['backup', '--force', image],
      restore: ['restore', 'latest', '--target', restored],
      verify: ['check', '--read-data'],
    };
    const env = { RESTIC_PASSWORD: 'bench', RESTIC_CACHE_DIR: `${repository}-cache` };
    return { command: ['restic', '-q', '-r', repository, ...steps[step]], env };
  },
};

const borg: Peer = {
  name: 'borg',
  command: (step, { repository, image, restored }, newest) => {
    const archive = `${repository}::${step}`;
    const steps: Record<Step, string[]> = {
      create: ['init', '-e', 'repokey-blake2', repository],
      full: ['create', '-C', 'zstd,1', archive, image],
      same: ['create', '-C', 'zstd,1', '--files-cache', 'disabled', archive, image],
      incremental: ['create', '-C', 'zstd,1', '--files-cache', 'disabled', archive, image],
      restore: ['extract', '--sparse', `${repository}::${newest}`],
      verify: ['check', '--verify-data', repository],
    };
    const env = { BORG_PASSPHRASE: 'bench', BORG_BASE_DIR: `${repository}-home` };
    return { command: ['borg', ...steps[step]], env, ...(step === 'restore' ? { cwd: restored } : {}) };
  },
};

export const peers: readonly Peer[] = [
  corral('corral', {}),
  corral('corral, encrypted', { BENCH_PASSPHRASE: 'correct horse battery' }),
  restic,
  borg,
];

/** Installs Debian's restic and borg where they are missing. */
export function installPeers(): void {
  const missing = ['restic', 'borg'].filter((name) => spawnSync(name, ['--version']).error !== undefined);
  if (missing.length === 0) return;
  const packages = missing.map((name) => (name === 'borg' ? 'borgbackup' : name));
  console.log(`Installing ${packages.join(' and ')} from Debian, to compare with.`);
  const result = spawnSync('apt-get', ['install', '-y', '-q', ...packages, 'time'], { stdio: 'inherit' });
  if (result.status !== 0) throw new Error(`apt-get install ${packages.join(' ')} failed; run it by hand.`);
}
