/** `npm start` as a child: begun, waited for until it has said everything, ended as by Ctrl-C. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { withLimit } from '@corral/core/abort';
import { projectRoot } from '../../tools/node-path.mjs';

const limitMs = 240_000;

export interface NpmStart {
  readonly child: ChildProcess;
  readonly output: string;
}

/** Returns when the machines run and it waits for Ctrl-C. */
export async function npmStart(data: string): Promise<NpmStart> {
  const child = spawn(
    process.execPath,
    [join(projectRoot, 'tools/start.mjs'), '--data', data, '--listen', '127.0.0.1:0'],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  const ready = Promise.withResolvers<void>();
  child.stderr.on('data', (text: Buffer) => {
    output += text.toString();
  });
  child.stdout.on('data', (text: Buffer) => {
    output += text.toString();
    if (output.includes('Ctrl-C ends the daemon')) ready.resolve();
  });
  child.once('exit', (code) => ready.reject(new Error(`it ended with ${code}:\n${output}`)));
  await withLimit('npm start', limitMs, undefined, () => ready.promise);
  return { child, output };
}

/** Ctrl-C. @returns its exit code */
export async function interrupt({ child }: NpmStart): Promise<number | null> {
  child.kill('SIGINT');
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}
