/**
 * One set-up at a time: `npm start` and `npm test` may run beside each other, and both install into the same places.
 * The lock is flock(1)'s on a file, held by a child that ends with its input, so no crash leaves it behind.
 */
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { SetupError } from './process.mjs';

/**
 * @template T
 * @param {string} path
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(path, work) {
  mkdirSync(dirname(path), { recursive: true });
  const holder = spawn('flock', [path, 'sh', '-c', 'echo locked; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => holder.on('close', resolve));
  try {
    await new Promise((resolve, reject) => {
      holder.stdout.once('data', resolve);
      holder.once('error', (cause) =>
        reject(new SetupError('flock is missing. Install the package util-linux.', { cause })),
      );
      holder.once('close', () => reject(new SetupError(`Cannot lock ${path}. Is its folder writable?`)));
    });
    return await work();
  } finally {
    holder.stdin.end();
    await ended;
  }
}
