/**
 * Which RESET events of QEMU tell that a guest restarted itself. SeaBIOS follows every reset, also one by the host, with
 * two of its own a moment later, and QEMU calls them the guest's.
 */

/** No guest boots and restarts itself within it. */
const firmwareMs = 5_000;

export class GuestResets {
  #lastMs = Number.NEGATIVE_INFINITY;

  /** @param nowMs on the monotonic clock */
  isOne(byGuest: boolean, nowMs: number): boolean {
    const follows = nowMs - this.#lastMs < firmwareMs;
    this.#lastMs = nowMs;
    return byGuest && !follows;
  }
}
