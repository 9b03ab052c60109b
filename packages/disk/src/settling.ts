/**
 * What makes changes survive, as one format's writer runs it. After it failed nothing may be changed any more: nobody
 * knows what is on the disk, and the kernel forgets what a failed flush should have written.
 */
export class Settling {
  #failure: { readonly cause: unknown } | undefined;

  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** To be called before each change. @throws what an earlier run threw */
  refuseAfterFailure(): void {
    if (this.#failure) throw this.#failure.cause;
  }

  /** @throws as `refuseAfterFailure`; what `work` throws */
  async run(work: () => Promise<void>): Promise<void> {
    this.refuseAfterFailure();
    try {
      await work();
    } catch (cause) {
      this.#failure = { cause };
      throw cause;
    }
  }
}
