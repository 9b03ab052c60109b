/** What the set-up says while it works: one line for each part, with the time it took when that is worth a word. */

/**
 * @template T
 * @param {string} title
 * @param {(say: (text: string) => void) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function part(title, work) {
  const begun = performance.now();
  let spoke = false;
  const result = await work((text) => {
    if (!spoke) process.stdout.write(`… ${title}\n`);
    spoke = true;
    process.stdout.write(`    ${text}\n`);
  });
  const seconds = (performance.now() - begun) / 1000;
  process.stdout.write(`✓ ${title}${seconds >= 1 ? ` (${seconds.toFixed(1)} s)` : ''}\n`);
  return result;
}
