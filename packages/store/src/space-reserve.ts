/**
 * A file that does nothing but keep some space: when guests have filled the volume, it is given up so that the store
 * can still write. Otherwise a full volume could neither be reported nor relieved, since stopping or deleting a VM is
 * itself a change of the store (docs/formats/data-directory.md).
 */
import { randomBytes } from 'node:crypto';
import { rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Taken only from a volume that has much more: the reserve is not to be what fills it. */
const freeShare = 8;

export class SpaceReserve {
  readonly #file: string;
  readonly #bytes: number;
  #held: boolean;

  constructor(file: string, bytes: number) {
    this.#file = file;
    this.#bytes = bytes;
    this.#held = statSync(file, { throwIfNoEntry: false })?.size === bytes;
  }

  /** Takes the space if there is plenty. Repeatable; without it everything else goes on as well. */
  take(): void {
    if (this.#held || !this.#isPlenty()) return;
    try {
      // Random, so that a file system that compresses or finds holes keeps it whole.
      writeFileSync(this.#file, randomBytes(this.#bytes), { mode: 0o600, flush: true });
      this.#held = true;
    } catch (cause) {
      // Whoever writes beside it was faster, or a quota is lower than what the volume has: go on without.
      if (!['ENOSPC', 'EDQUOT'].includes((cause as NodeJS.ErrnoException).code ?? '')) throw cause;
      rmSync(this.#file, { force: true });
    }
  }

  /** @returns whether there was something to give up */
  giveUp(): boolean {
    if (!this.#held) return false;
    rmSync(this.#file, { force: true });
    this.#held = false;
    return true;
  }

  #isPlenty(): boolean {
    const { bavail, bsize } = statfsSync(dirname(this.#file));
    return bavail * bsize >= this.#bytes * freeShare;
  }
}
