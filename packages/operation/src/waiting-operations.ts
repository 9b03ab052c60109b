/** Operations of this daemon that wait for their locks. Looks at them in the order in which they came. */
export class WaitingOperations {
  readonly #ids = new Set<string>();
  readonly #grant: (id: string) => Promise<boolean>;
  readonly #onTrouble: (error: unknown) => void;
  #looking: Promise<void> = Promise.resolve();
  #closed = false;

  /** @param grant gives it its locks if they are free; true when it waits no longer */
  constructor(grant: (id: string) => Promise<boolean>, onTrouble: (error: unknown) => void) {
    this.#grant = grant;
    this.#onTrouble = onTrouble;
  }

  add(id: string): void {
    this.#ids.add(id);
    this.look();
  }

  /** Locks may have become free. One look after the other, so that each sees them as they are then. */
  look(): void {
    this.#looking = this.#looking.then(async () => {
      for (const id of [...this.#ids]) await this.#lookAt(id);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#looking;
  }

  async #lookAt(id: string): Promise<void> {
    if (this.#closed) return;
    try {
      if (await this.#grant(id)) this.#ids.delete(id);
    } catch (e) {
      // It keeps its place in the queue and is looked at when the next lock changes.
      this.#onTrouble(e);
    }
  }
}
