/** Runs a program in a pseudo-terminal of its own, through script(1) of util-linux, which every Debian has. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export const projectRoot = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
export const corral = `${projectRoot}/bin/corral`;

export interface TerminalRun extends AsyncDisposable {
  /** What appeared on the terminal so far. */
  readonly screen: () => string;
  readonly type: (text: string) => void;
  /** Resolves when the screen shows the text, from the place where the wait before ended. Rejects when it ends before. */
  readonly shows: (text: string) => Promise<void>;
  /** Of the program. */
  readonly exitCode: Promise<number | null>;
}

/** @param command for sh */
export function runInTerminal(command: string, env: Readonly<Record<string, string>> = {}): TerminalRun {
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    env: { ...process.env, PATH: `${projectRoot}/bin:${process.env['PATH']}`, TERM: 'xterm', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let screen = '';
  let looked = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
  });
  const exit = once(child, 'close') as Promise<[number | null]>;
  const shows = async (text: string): Promise<void> => {
    for (;;) {
      const at = screen.indexOf(text, looked);
      if (at !== -1) {
        looked = at + text.length;
        return;
      }
      if (child.exitCode !== null || child.stdout.readableEnded)
        throw new Error(`no "${text}" in:\n${screen}`);
      await Promise.race([once(child.stdout, 'data'), exit]);
    }
  };
  return {
    screen: () => screen,
    type: (text) => child.stdin.write(text),
    shows,
    exitCode: exit.then(([code]) => code),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await exit;
    },
  };
}
