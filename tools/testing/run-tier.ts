/** Runs the files of one tier, each in a process of its own, and counts. */
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { watchOverdueFiles } from './overdue-files.ts';
import type { Tier } from './tiers.ts';

export interface Skip {
  readonly file: string;
  readonly name: string;
  readonly reason: string;
}

export interface Failure {
  readonly file: string;
  readonly name: string;
  /** The first lines of the error. */
  readonly reason: string;
}

export interface TierResult {
  readonly passed: number;
  readonly failures: readonly Failure[];
  readonly skips: readonly Skip[];
}

/**
 * @param root the project
 * @param namePattern runs only tests whose names match
 */
export async function runTier(
  root: string,
  tier: Tier,
  namePattern: string | undefined,
): Promise<TierResult> {
  const skips: Skip[] = [];
  const failures: Failure[] = [];
  let passed = 0;
  const stream = run({
    cwd: root,
    files: tier.files.map((file) => `${root}/${file}`),
    concurrency: tier.concurrency,
    timeout: tier.fileLimitMs,
    ...(namePattern === undefined ? {} : { testNamePatterns: namePattern }),
  });
  stream.on('test:pass', ({ name, file, skip, todo, details }) => {
    if (details.type === 'suite') return;
    if (skip === undefined && todo === undefined) passed += 1;
    else skips.push({ file: relative(root, file), name, reason: String(skip ?? todo) });
  });
  stream.on('test:fail', ({ name, file, details, todo }) => {
    if (todo !== undefined) return;
    // A suite fails because a test in it did; it counts by itself only if its own hook or body failed.
    const error = details.error as { failureType?: string; cause?: unknown };
    if (error.failureType === 'subtestsFailed') return;
    failures.push({ file: relative(root, file), name, reason: firstLines(error.cause ?? error) });
  });
  // The test's own limit comes first, so that its name is reported where possible.
  using _watch = watchOverdueFiles(tier.fileLimitMs + 5000, (pid) => {
    process.stdout.write(
      `✖ a file of ${tier.name} was ended after ${tier.fileLimitMs} ms (process ${pid})\n`,
    );
  });
  const output = stream.compose(new spec());
  output.pipe(process.stdout, { end: false });
  await new Promise<void>((resolve, reject) => {
    output.on('end', resolve);
    output.on('error', reject);
  });
  return { passed, failures, skips };
}

function firstLines(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n').slice(0, 3).join(' ').slice(0, 300);
}

function relative(root: string, file: string | undefined): string {
  return file?.startsWith(`${root}/`) ? file.slice(root.length + 1) : (file ?? '');
}
