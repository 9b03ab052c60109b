/**
 * A real guest agent, as a process on this host. Commands that change the host are switched off: a test must not
 * freeze, stop or set the clock of the machine it runs on.
 */
import { fileURLToPath } from 'node:url';
import { findProgram, ToolProcess } from './tool-process.ts';
import { workDirectory } from './work-directory.ts';

const DANGEROUS = [
  'guest-shutdown',
  'guest-suspend-disk',
  'guest-suspend-ram',
  'guest-suspend-hybrid',
  'guest-fsfreeze-freeze',
  'guest-fsfreeze-freeze-list',
  'guest-fstrim',
  'guest-set-time',
  'guest-set-vcpus',
  'guest-set-memory-blocks',
  'guest-set-user-password',
  'guest-ssh-add-authorized-keys',
  'guest-ssh-remove-authorized-keys',
];

/** Debian's package, or where the set-up has unpacked the guest's. */
export const AGENT = findProgram(
  'qemu-ga',
  '/usr/sbin/qemu-ga',
  fileURLToPath(new URL('../../../.cache/guest/usr/sbin/qemu-ga', import.meta.url)),
);

export interface TestAgent extends AsyncDisposable {
  readonly path: string;
  readonly file: (name: string) => string;
  readonly process: ToolProcess;
}

export async function startAgent(): Promise<TestAgent> {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await workDirectory());
  const path = directory.file('agent');
  const state = ['-t', directory.path, '-f', directory.file('pid'), '-b', DANGEROUS.join(',')];
  const child = stack.use(await ToolProcess.start(AGENT!, ['-m', 'unix-listen', '-p', path, ...state], path));
  const owned = stack.move();
  return { path, file: directory.file, process: child, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
