/**
 * Starts a process that outlives the daemon: in a session of its own, with nothing of the daemon's but a log file.
 *
 * It changes its user between fork and exec; libuv does so after changing the working directory, so a folder that
 * only root may walk to can still be the working directory of an unprivileged process.
 */
import { spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { childEnvironment } from './child-environment.ts';
import { identify, type ProcessIdentity } from './process-identity.ts';

export interface DetachedCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Null: as the daemon's own user. */
  readonly user: { readonly uid: number; readonly gid: number } | null;
  /** Both outputs are appended to it. */
  readonly logPath: string;
  /** Beside what every child gets. */
  readonly env?: Readonly<Record<string, string>>;
  /** Descriptors that it inherits, from number 3 on. */
  readonly fds?: readonly number[];
}

export interface DetachedProcess {
  /** Null when it ended before it could be looked at. */
  readonly identity: ProcessIdentity | null;
  /** Resolves when it ends, as long as this daemon lives. */
  readonly exited: Promise<void>;
}

/** @throws the error of exec: a program that is missing or may not be run */
export async function spawnDetached(command: DetachedCommand): Promise<DetachedProcess> {
  await using log = await open(command.logPath, 'a', 0o600);
  const child = spawn(command.program, [...command.args], {
    cwd: command.cwd,
    detached: true,
    stdio: ['ignore', log.fd, log.fd, ...(command.fds ?? [])],
    env: { ...childEnvironment(), ...command.env },
    ...(command.user ? { uid: command.user.uid, gid: command.user.gid } : {}),
  });
  const exited = Promise.withResolvers<void>();
  child.once('exit', () => exited.resolve());
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  // A later 'error' would only tell that a signal could not be sent, which is not done through this handle.
  child.on('error', () => undefined);
  child.unref();
  return { identity: await identify(child.pid!), exited: exited.promise };
}
