/**
 * `background-snapshot` of QEMU 7.2 opens a userfaultfd, which the kernel gives to root alone unless
 * `vm.unprivileged_userfaultfd` is 1 (Linux' admin-guide/mm/userfaultfd.rst). Left at 1 for good the setting makes
 * exploits of the kernel easier, so it is set for the moment in which a QEMU opens its own, and put back.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Turns } from '@corral/core/turns';
import type { DataDirectory } from '../data-directory.ts';

const kernelSetting = '/proc/sys/vm/unprivileged_userfaultfd';

/** While this file is there, the setting is ours to put back, also for a daemon that comes after this one. */
const markOf = (directory: DataDirectory): string => join(directory.root, 'userfaultfd-lent');

export class UserfaultfdLender {
  readonly #directory: DataDirectory;
  readonly #setting: string;
  #users = 0;
  /** One that takes it back must not overtake one that lends. */
  readonly #turns = new Turns();

  constructor(directory: DataDirectory, setting: string = kernelSetting) {
    this.#directory = directory;
    this.#setting = setting;
  }

  /** Until the returned handle is disposed a VM's user may open a userfaultfd, if this daemon has the right to say so. */
  async lend(): Promise<AsyncDisposable> {
    this.#users += 1;
    await this.#turns.take(this.#setting, () => this.#set());
    let lent = true;
    return {
      [Symbol.asyncDispose]: async () => {
        if (!lent) return;
        lent = false;
        this.#users -= 1;
        await this.#turns.take(this.#setting, () => this.takeBack());
      },
    };
  }

  /** Puts back what a daemon before this one may have left. Repeatable. */
  async takeBack(): Promise<void> {
    if (this.#users > 0) return;
    const mark = markOf(this.#directory);
    if ((await readIfThere(mark)) === null) return;
    await writeFile(this.#setting, '0');
    await rm(mark, { force: true });
  }

  async #set(): Promise<void> {
    if ((await readIfThere(this.#setting))?.trim() !== '0') return;
    await writeFile(markOf(this.#directory), '');
    try {
      await writeFile(this.#setting, '1');
    } catch (cause) {
      await rm(markOf(this.#directory), { force: true });
      // Not root, or a container with a read-only /proc: QEMU then says that it cannot, and the guest stands still.
      if (!['EACCES', 'EPERM', 'EROFS'].includes((cause as NodeJS.ErrnoException).code ?? '')) throw cause;
    }
  }
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw cause;
  }
}
