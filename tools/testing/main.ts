/**
 * Runs tests with the project's Node: `main.ts [--all] [--name PATTERN] [TIER[/PATH]...]`.
 * The last line is always `N passed, N failed, N skipped`. tools/test.mjs calls it when the set-up has been done.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { projectRoot } from '../node-path.mjs';
import { endLeftovers, findLeftovers } from './leftovers.ts';
import { type Failure, runTier, type Skip } from './run-tier.ts';
import { findTiers, selectTiers, type Tier } from './tiers.ts';

/** Tests that may not skip where CI is set: their prerequisites are part of the set-up. */
function forbiddenSkips(skips: readonly Skip[]): readonly Skip[] {
  if (!process.env['CI']) return [];
  const listed = JSON.parse(readFileSync(`${projectRoot}/test/must-not-skip.json`, 'utf8')) as {
    readonly files: readonly string[];
  };
  return skips.filter(({ file }) => listed.files.some((start) => file.startsWith(start)));
}

function reportLeftovers(tier: Tier, runId: string): number {
  const leftovers = findLeftovers(runId);
  for (const { pid, command } of leftovers) {
    process.stdout.write(`✖ ${tier.name} left process ${pid} behind: ${command.slice(0, 200)}\n`);
  }
  endLeftovers(leftovers);
  return leftovers.length > 0 ? 1 : 0;
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
  const runId = randomUUID();
  process.env['CORRAL_TEST_RUN'] = runId;
  let passed = 0;
  let left = 0;
  const failures: Failure[] = [];
  const skips: Skip[] = [];
  for (const tier of tiers) {
    process.stdout.write(`\n▸ ${tier.name}: ${tier.files.length} files\n`);
    const begun = performance.now();
    const result = await runTier(projectRoot, tier, values.name);
    passed += result.passed;
    left += reportLeftovers(tier, runId);
    failures.push(...result.failures);
    skips.push(...result.skips);
    process.stdout.write(`▸ ${tier.name}: ${Math.round((performance.now() - begun) / 1000)} s\n`);
  }
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
  const failed = failures.length + left;
  process.stdout.write(`\n${passed} passed, ${failed} failed, ${skips.length} skipped\n`);
  return failed === 0 && forbidden.length === 0 && passed + skips.length > 0 ? 0 : 1;
}

process.exitCode = await main();
