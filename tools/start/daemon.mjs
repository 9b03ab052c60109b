/** corrald as a child of `npm start`. Its log goes to a file, so that the terminal shows what matters. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { projectRoot } from '../node-path.mjs';
import { SetupError } from '../setup/process.mjs';

const readyLimitMs = 60_000;

export class Daemon {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #child;
  /** Exit code; 0 after a signal that we sent. */
  ended = Promise.resolve(0);

  /**
   * @param {string} dataDirectory
   * @param {readonly string[]} args further arguments of corrald
   */
  constructor(dataDirectory, args) {
    this.dataDirectory = dataDirectory;
    this.args = args;
    this.logPath = join(dataDirectory, 'corrald.log');
  }

  /**
   * @returns {Promise<readonly string[]>} the endpoints that it prints when it is ready
   */
  start() {
    const log = openSync(this.logPath, 'a', 0o600);
    // A session of its own: Ctrl-C reaches this process, which ends the daemon in order.
    const child = spawn(`${projectRoot}/bin/corrald`, ['--data', this.dataDirectory, ...this.args], {
      stdio: ['ignore', 'pipe', log],
      detached: true,
    });
    closeSync(log);
    this.#child = child;
    this.ended = new Promise((settle) => {
      child.once('error', () => settle(1));
      child.once('exit', (code) => settle(code ?? 0));
    });
    return this.#ready(child);
  }

  /**
   * @param {import('node:child_process').ChildProcess} child
   * @returns {Promise<readonly string[]>}
   */
  #ready(child) {
    /** @type {string[]} */
    const lines = [];
    return new Promise((resolve, reject) => {
      const fail = (/** @type {string} */ what) => reject(new SetupError(`${what}\n${this.#lastLines()}`));
      const timer = setTimeout(() => {
        this.stop();
        fail(`corrald was not ready after ${readyLimitMs / 1000} s.`);
      }, readyLimitMs);
      void this.ended.then((code) => {
        clearTimeout(timer);
        fail(`corrald ended with exit code ${code} before it was ready.`);
      });
      const reader = createInterface({ input: /** @type {import('node:stream').Readable} */ (child.stdout) });
      reader.on('line', (line) => {
        lines.push(line);
        if (!line.startsWith('corrald ready')) return;
        clearTimeout(timer);
        // The endpoints are on that line or follow it in the same write.
        setImmediate(() => resolve(lines));
      });
    });
  }

  #lastLines() {
    const lines = readFileSync(this.logPath, 'utf8').trim().split('\n').slice(-10);
    return `The end of ${this.logPath}:\n${lines.map((line) => `    ${line}`).join('\n')}`;
  }

  stop() {
    this.#child?.kill('SIGTERM');
  }
}
