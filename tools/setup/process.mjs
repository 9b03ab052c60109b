/**
 * Runs programs for the set-up. Plain JavaScript for Node 20: the set-up runs before the project's own Node is there.
 */
import { spawn } from 'node:child_process';

/** What is missing and how to get it: shown to the user as it is, without a stack. */
export class SetupError extends Error {
  /** @override */
  name = 'SetupError';
}

/**
 * @typedef {object} RunOptions
 * @property {string} [cwd]
 * @property {Record<string, string>} [env] added to the environment
 * @property {boolean} [show] the program's output goes to the terminal instead of into the result
 */

/**
 * @typedef {object} RunResult
 * @property {number} code exit code; 127 if the program is not there, 128 if a signal ended it
 * @property {string} stdout
 * @property {string} stderr
 */

/**
 * Runs a program to its end, without a shell.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<RunResult>}
 */
export function run(command, args, options = {}) {
  const output = options.show ? 'inherit' : 'pipe';
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', output, output],
    });
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    child.on('error', (error) => {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ENOENT') reject(error);
      else resolve({ code: 127, stdout, stderr: `${command}: not found` });
    });
    child.on('close', (code) => resolve({ code: code ?? 128, stdout, stderr }));
  });
}

/**
 * The last lines of a program's output, for a message about its failure.
 *
 * @param {RunResult} result
 * @returns {string}
 */
export function lastWords(result) {
  const lines = `${result.stdout}\n${result.stderr}`.trim().split('\n');
  return lines
    .slice(-8)
    .map((line) => `    ${line}`)
    .join('\n');
}
