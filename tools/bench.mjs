/** `npm run bench -- NAME [ARGUMENTS]`: the set-up, then bench/NAME.ts or bench/NAME/main.ts on the project's Node. */
import { existsSync, readdirSync } from 'node:fs';
import { projectNode, projectRoot } from './node-path.mjs';
import { endWith } from './setup/end-with.mjs';
import { run, SetupError } from './setup/process.mjs';
import { setUpHost } from './setup/set-up.mjs';

/** @returns {Map<string, string>} name → file */
function benches() {
  const folder = `${projectRoot}/bench`;
  const entries = readdirSync(folder).map((entry) => {
    const inFolder = `${folder}/${entry}/main.ts`;
    return /** @type {const} */ ([
      entry.replace(/\.ts$/, ''),
      existsSync(inFolder) ? inFolder : `${folder}/${entry}`,
    ]);
  });
  return new Map(entries.filter(([, path]) => path.endsWith('.ts')));
}

await endWith(async () => {
  const [name, ...args] = process.argv.slice(2);
  const path = benches().get(name ?? '');
  if (path === undefined) {
    throw new SetupError(
      `Usage: npm run bench -- NAME. There are: ${[...benches().keys()].sort().join(', ')}.`,
    );
  }
  await setUpHost({ tests: true });
  const result = await run(projectNode(), [path, ...args], { cwd: projectRoot, show: true });
  return result.code;
});
