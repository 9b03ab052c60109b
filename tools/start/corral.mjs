/** The command line, as the set-up uses it. */
import { projectRoot } from '../node-path.mjs';
import { lastWords, run, SetupError } from '../setup/process.mjs';

const program = `${projectRoot}/bin/corral`;

export class Corral {
  /** @param {string} socket of the daemon */
  constructor(socket) {
    this.socket = socket;
  }

  /** @returns {Promise<boolean>} whether a daemon is there */
  async answers() {
    return (await run(program, ['--socket', this.socket, '-o', 'json', 'host', 'show'])).code === 0;
  }

  /**
   * Asks; the answer is the API's object.
   *
   * @param {readonly string[]} args
   * @returns {Promise<any>}
   */
  async ask(...args) {
    const result = await run(program, ['--socket', this.socket, '-o', 'json', ...args]);
    if (result.code === 0) return JSON.parse(result.stdout);
    throw new SetupError(`corral ${args.join(' ')} failed:\n${lastWords(result)}`);
  }

  /**
   * Does something, with its progress on the terminal.
   *
   * @param {readonly string[]} args
   */
  async perform(...args) {
    const { code } = await run(program, ['--socket', this.socket, ...args], { show: true });
    if (code !== 0) throw new SetupError(`corral ${args.join(' ')} failed; its words are above.`);
  }

  /**
   * @param {readonly string[]} args
   * @returns {Promise<boolean>} whether it succeeded
   */
  async succeeds(...args) {
    return (await run(program, ['--socket', this.socket, ...args])).code === 0;
  }
}
