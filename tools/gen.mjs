/**
 * `npm run gen` writes the generated files, `--check` compares them. A producer is a module that exports
 * `generate(): Promise<Map<path, content>>`, paths relative to the project. Producers are the modules of tools/gen
 * and each package’s src/generate.ts.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectNode, projectRoot } from './node-path.mjs';
import { endWith } from './setup/end-with.mjs';
import { installNpmPackages } from './setup/npm-packages.mjs';
import { run } from './setup/process.mjs';

/** @returns {string[]} */
function producers() {
  const own = readdirSync(`${projectRoot}/tools/gen`)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => `tools/gen/${name}`);
  const packages = readdirSync(`${projectRoot}/packages`).map((name) => `packages/${name}/src/generate.ts`);
  return [...own, ...packages].filter((path) => existsSync(`${projectRoot}/${path}`)).sort();
}

/**
 * @param {string} producer
 * @param {boolean} checkOnly
 * @returns {Promise<string[]>} the paths whose content differed
 */
async function produce(producer, checkOnly) {
  const module = await import(pathToFileURL(`${projectRoot}/${producer}`).href);
  /** @type {Map<string, string>} */
  const files = await module.generate();
  const changed = [...files].filter(([path, content]) => {
    const full = `${projectRoot}/${path}`;
    return !existsSync(full) || readFileSync(full, 'utf8') !== content;
  });
  for (const [path, content] of checkOnly ? [] : changed) {
    mkdirSync(dirname(`${projectRoot}/${path}`), { recursive: true });
    writeFileSync(`${projectRoot}/${path}`, content);
  }
  return changed.map(([path]) => path);
}

await endWith(async () => {
  if (Number(process.versions.node.split('.')[0]) < 24) {
    await installNpmPackages(projectRoot, (text) => console.log(text));
    const again = await run(projectNode(), process.argv.slice(1), { show: true });
    return again.code;
  }
  const checkOnly = process.argv.includes('--check');
  const changed = (await Promise.all(producers().map((producer) => produce(producer, checkOnly)))).flat();
  for (const path of changed) console.log(checkOnly ? `out of date: ${path}` : `written: ${path}`);
  if (changed.length === 0) console.log('Generated files are up to date.');
  else if (checkOnly) console.log('Run "npm run gen" and commit the result.');
  return checkOnly && changed.length > 0 ? 1 : 0;
});
