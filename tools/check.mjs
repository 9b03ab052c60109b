/**
 * `npm run check`, the quick one: types, lint and format, generated files, house rules and unit tests.
 * It needs the npm packages and nothing else: no root, no QEMU, no guest.
 */
import { projectNode, projectRoot } from './node-path.mjs';
import { endWith } from './setup/end-with.mjs';
import { run } from './setup/process.mjs';
import { setUpNpm } from './setup/set-up.mjs';

/**
 * @param {string} title
 * @param {readonly string[]} args of the project's Node
 * @returns {Promise<string | undefined>} the title if it failed
 */
async function check(title, args) {
  process.stdout.write(`\n▸ ${title}\n`);
  const result = await run(projectNode(), args, { cwd: projectRoot, show: true });
  return result.code === 0 ? undefined : title;
}

await endWith(async () => {
  await setUpNpm();
  const failed = [
    await check('types', ['node_modules/typescript/bin/tsc', '-p', '.']),
    await check('lint and format', ['node_modules/@biomejs/biome/bin/biome', 'check']),
    await check('generated files', ['tools/gen.mjs', '--check']),
    await check('house rules and unit tests', ['tools/testing/main.ts', 'rules', 'unit']),
  ].filter((title) => title !== undefined);
  process.stdout.write(failed.length === 0 ? '\nAll checks passed.\n' : `\nFailed: ${failed.join(', ')}\n`);
  return failed.length === 0 ? 0 : 1;
});
