/** Runs test files, each in a process of its own, and counts. */
import { randomUUID } from 'node:crypto';
import { Transform } from 'node:stream';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { setTimeout } from 'node:timers/promises';
import { endLeftovers, findLeftovers } from './leftovers.ts';
import { watchOverdueFiles } from './overdue-files.ts';

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

export interface RunResult {
  readonly passed: number;
  readonly failures: readonly Failure[];
  readonly skips: readonly Skip[];
  /** What the tests printed, and how they ended. */
  readonly output: string;
}

export interface RunOptions {
  /** The project. */
  readonly root: string;
  /** Relative to it. */
  readonly files: readonly string[];
  /** Files that run beside each other. */
  readonly concurrency: number;
  /** A file that takes longer is ended and has failed. */
  readonly fileLimitMs: number;
  /** Runs only tests whose names match. */
  readonly namePattern: string | undefined;
}

export async function runFiles(options: RunOptions): Promise<RunResult> {
  const { root, concurrency, fileLimitMs, namePattern } = options;
  const skips: Skip[] = [];
  const failures: Failure[] = [];
  let passed = 0;
  const files = options.files.map((file) => `${root}/${file}`);
  const runId = randomUUID();
  const stream = run({
    cwd: root,
    files,
    concurrency,
    timeout: fileLimitMs,
    env: { ...process.env, CORRAL_TEST_RUN: runId },
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
  let output = '';
  // The test's own limit comes first, so that its name is reported where possible.
  using _watch = watchOverdueFiles(files, fileLimitMs + 5000, (file) => {
    output += `✖ ${relative(root, file)} was ended after ${fileLimitMs} ms\n`;
  });
  for await (const text of stream.compose(withoutCounts()).compose(new spec())) output += String(text);
  const left = await endedLeftovers(runId);
  failures.push(
    ...left.map((reason) => ({ file: options.files.join(', '), name: 'left a process behind', reason })),
  );
  return { passed, failures, skips, output };
}

/** Counts of one file among many tell nothing: the last line of the run has them all. */
function withoutCounts(): Transform {
  return new Transform({
    objectMode: true,
    transform: (event: { type: string; data: { file?: string } }, _encoding, done) => {
      if (event.type === 'test:diagnostic' && event.data.file === undefined) done();
      else done(null, event);
    },
  });
}

/** One that is ending is not left behind yet. */
const endingMs = 3000;

/** @returns what was left behind and had to be ended */
async function endedLeftovers(runId: string): Promise<string[]> {
  const deadline = performance.now() + endingMs;
  let leftovers = findLeftovers(runId);
  while (leftovers.length > 0 && performance.now() < deadline) {
    await setTimeout(50);
    leftovers = findLeftovers(runId);
  }
  endLeftovers(leftovers);
  return leftovers.map(({ pid, command }) => `process ${pid}: ${command.slice(0, 200)}`);
}

function firstLines(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n').slice(0, 3).join(' ').slice(0, 300);
}

function relative(root: string, file: string | undefined): string {
  return file?.startsWith(`${root}/`) ? file.slice(root.length + 1) : (file ?? '');
}
