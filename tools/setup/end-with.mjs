/** How the tools end: an expected error is a message, anything else a defect with its stack. */
import { SetupError } from './process.mjs';

/**
 * @param {() => Promise<number>} main its result is the exit code
 * @returns {Promise<void>}
 */
export async function endWith(main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`\n${error.message}\n`);
    process.exitCode = 1;
  }
}
