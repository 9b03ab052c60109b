/**
 * `background-snapshot` of QEMU 7.2 opens a userfaultfd, which the kernel gives to root alone unless
 * `vm.unprivileged_userfaultfd` is 1 (Linux' admin-guide/mm/userfaultfd.rst). Left at 1 for good the setting makes
 * exploits of the kernel easier, so it is set for the moment in which a QEMU opens its own, and put back.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Turns } from '@corral/core/turns';
import { bootId, identify, isAlive } from '../process/process-identity.ts';
import { unlessAbsent } from '../storage/unless-absent.ts';

export interface LendingPlaces {
  readonly setting: string;
  /**
   * A folder for all daemons of the host. While one of them needs the setting it has a mark here, named after its
   * process: the last one puts the setting back, also for one that was killed.
   */
  readonly marks: string;
}

const placesOfHost: LendingPlaces = {
  setting: '/proc/sys/vm/unprivileged_userfaultfd',
  marks: '/run/corral/userfaultfd',
};

/** Not root, or a container with a read-only /proc: QEMU then says that it cannot, and the guest stands still. */
const notAllowed = ['EACCES', 'EPERM', 'EROFS'];

export class UserfaultfdLender {
  readonly #pid: number;
  readonly #places: LendingPlaces;
  #users = 0;
  /** One that takes it back must not overtake one that lends. */
  readonly #turns = new Turns();

  constructor(pid: number = process.pid, places: LendingPlaces = placesOfHost) {
    this.#pid = pid;
    this.#places = places;
  }

  /** Until the returned handle is disposed a VM's user may open a userfaultfd, if this daemon has the right to say so. */
  async lend(): Promise<AsyncDisposable> {
    this.#users += 1;
    await this.#turns.take('setting', () => this.#set());
    let lent = true;
    return {
      [Symbol.asyncDispose]: async () => {
        if (!lent) return;
        lent = false;
        this.#users -= 1;
        await this.#turns.take('setting', () => this.takeBack());
      },
    };
  }

  /** Puts back what this daemon, or one that was killed, has set, unless another needs it. Repeatable. */
  async takeBack(): Promise<void> {
    if (this.#users > 0) return;
    const { setting } = this.#places;
    const own = await this.#ownMark();
    const marks = await this.#marks();
    const others = await living(marks.filter((mark) => mark !== own));
    const over = marks.filter((mark) => !others.includes(mark));
    if (over.length === 0) return;
    for (const mark of over) await rm(join(this.#places.marks, mark), { force: true });
    if (others.length > 0) return;
    await writeFile(setting, '0');
    // Another one may have come in between, and found it set.
    if ((await this.#marks()).length > 0) await writeFile(setting, '1');
  }

  async #set(): Promise<void> {
    const isOff = (await unlessAbsent(readFile(this.#places.setting, 'utf8'), null))?.trim() === '0';
    // What is on without a mark is on by the administrator's wish.
    if (!isOff && (await this.#marks()).length === 0) return;
    const mark = join(this.#places.marks, await this.#ownMark());
    try {
      await mkdir(this.#places.marks, { recursive: true, mode: 0o700 });
      await writeFile(mark, '');
      await writeFile(this.#places.setting, '1');
    } catch (cause) {
      await rm(mark, { force: true });
      if (!notAllowed.includes((cause as NodeJS.ErrnoException).code ?? '')) throw cause;
    }
  }

  async #ownMark(): Promise<string> {
    const identity = await identify(this.#pid);
    return `${this.#pid}-${identity?.startTime ?? 0}`;
  }

  async #marks(): Promise<string[]> {
    try {
      return await readdir(this.#places.marks);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
      if (notAllowed.includes((cause as NodeJS.ErrnoException).code ?? '')) return [];
      throw cause;
    }
  }
}

/** Those of the marks whose process is there. */
async function living(marks: readonly string[]): Promise<string[]> {
  const boot = await bootId();
  const found: string[] = [];
  for (const mark of marks) {
    const [pid, startTime] = mark.split('-').map(Number);
    if (await isAlive({ pid: pid!, startTime: startTime!, bootId: boot })) found.push(mark);
  }
  return found;
}
