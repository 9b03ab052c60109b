/** Lets QEMU, as the VM's user, take a snapshot of a guest's memory while it runs (docs/design/0008-checkpoints.md). */
import { readFile, writeFile } from 'node:fs/promises';

const setting = '/proc/sys/vm/unprivileged_userfaultfd';

/** Until disposed; then the host is as it was. */
export async function allowUserfaultfd(): Promise<AsyncDisposable> {
  const before = await readFile(setting, 'utf8');
  await writeFile(setting, '1');
  return { [Symbol.asyncDispose]: () => writeFile(setting, before.trim()) };
}
