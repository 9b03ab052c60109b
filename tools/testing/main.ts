/**
 * Runs tests with the project's Node: `main.ts [--all] [--name PATTERN] [TIER[/PATH]...]`.
 * The last line is always `N passed, N failed, N skipped`. tools/test.mjs calls it when the set-up has been done.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { projectRoot } from '../node-path.mjs';
import { type RunResult, runFiles, type Skip } from './run-files.ts';
import { filesInOrder, findTiers, selectTiers, type Tier } from './tiers.ts';

/** Tests that may not skip where CI is set: their prerequisites are part of the set-up. */
function forbiddenSkips(skips: readonly Skip[]): readonly Skip[] {
  if (!process.env['CI']) return [];
  const listed = JSON.parse(readFileSync(`${projectRoot}/test/must-not-skip.json`, 'utf8')) as {
    readonly files: readonly string[];
  };
  return skips.filter(({ file }) => listed.files.some((start) => file.startsWith(start)));
}

/** The unit tests and the rules, then those of crashes and all others, each file by itself. */
async function runAll(tiers: readonly Tier[], namePattern: string | undefined): Promise<RunResult[]> {
  const results: RunResult[] = [];
  const processors = availableParallelism();
  const runTogether = async (
    title: string,
    options: {
      readonly files: readonly string[];
      readonly concurrency: number;
      readonly fileLimitMs: number;
    },
  ): Promise<void> => {
    const begun = performance.now();
    const result = await runFiles({ root: projectRoot, namePattern, ...options });
    results.push(result);
    const seconds = Math.round((performance.now() - begun) / 1000);
    process.stdout.write(`\n▸ ${title}: ${seconds} s\n${result.output}`);
  };
  for (const { name, files, fileLimitMs } of tiers.filter(({ isQuick }) => isQuick)) {
    await runTogether(`${name}, ${files.length} files`, { files, concurrency: processors, fileLimitMs });
  }
  const rest = tiers.filter(({ isQuick }) => !isQuick);
  // A guest that nobody accelerates takes a processor whole; crash tests wait, for a disk or a process, more than they compute.
  for (const [isCrash, lanes] of [
    [true, processors + 1],
    [false, processors],
  ] as const) {
    const waiting = filesInOrder(rest.filter(({ name }) => (name === 'crash') === isCrash));
    const lane = async (): Promise<void> => {
      for (let file = waiting.shift(); file; file = waiting.shift()) {
        await runTogether(file.path, { files: [file.path], concurrency: 1, fileLimitMs: file.limitMs });
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
  }
  return results;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { all: { type: 'boolean' }, name: { type: 'string' } },
  });
  // `--all` lifts the sampling of tests that are too long to run whole each time, and with it their limits.
  if (values.all) process.env['CORRAL_TEST_ALL'] = '1';
  const tiers = selectTiers(findTiers(projectRoot), positionals);
  // Each file is a process that loads much the same: compiled once, it starts in less than half the processor time.
  process.env['NODE_COMPILE_CACHE'] ??= `${projectRoot}/.cache/node`;
  const results = await runAll(tiers, values.name);
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  const failures = results.flatMap((result) => result.failures);
  const skips = results.flatMap((result) => result.skips);
  for (const { file, name, reason } of skips) {
    process.stdout.write(`﹣ skipped: ${file}: ${name} (${reason})\n`);
  }
  for (const { file, name, reason } of failures) {
    process.stdout.write(`✖ failed: ${file}: ${name}: ${reason}\n`);
  }
  const forbidden = forbiddenSkips(skips);
  for (const { file, name } of forbidden) {
    process.stdout.write(`✖ may not skip here (test/must-not-skip.json): ${file}: ${name}\n`);
  }
  const failed = failures.length;
  process.stdout.write(`\n${passed} passed, ${failed} failed, ${skips.length} skipped\n`);
  return failed === 0 && forbidden.length === 0 && passed + skips.length > 0 ? 0 : 1;
}

process.exitCode = await main();
