/**
 * `npm test [--all] [--name PATTERN] [TIER[/PATH]...]`: the set-up, then the tests. Begins on Node 20.
 */
import { projectNode, projectRoot } from './node-path.mjs';
import { endWith } from './setup/end-with.mjs';
import { run } from './setup/process.mjs';
import { setUpHost, setUpNpm } from './setup/set-up.mjs';

/** Tiers that need the npm packages and nothing else. */
const light = /^(unit|rules)(\/|$)/;

await endWith(async () => {
  const args = process.argv.slice(2);
  const tiers = args.filter((argument, index) => !argument.startsWith('-') && args[index - 1] !== '--name');
  if (tiers.length > 0 && tiers.every((tier) => light.test(tier))) await setUpNpm();
  else await setUpHost({ tests: true });
  const main = `${projectRoot}/tools/testing/main.ts`;
  const result = await run(projectNode(), [main, ...args], { cwd: projectRoot, show: true });
  return result.code;
});
