/**
 * `npm test [--all] [--name PATTERN] [TIER[/PATH]...]`: the set-up, then the tests. Begins on Node 20.
 */
import { projectNode, projectRoot } from './node-path.mjs';
import { endWith } from './setup/end-with.mjs';
import { installNpmPackages } from './setup/npm-packages.mjs';
import { run } from './setup/process.mjs';
import { part } from './setup/progress.mjs';

await endWith(async () => {
  await part('npm packages', (say) => installNpmPackages(projectRoot, say));
  const result = await run(
    projectNode(),
    [`${projectRoot}/tools/testing/main.ts`, ...process.argv.slice(2)],
    {
      cwd: projectRoot,
      show: true,
    },
  );
  return result.code;
});
