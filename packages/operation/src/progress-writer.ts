/** Writes the latest progress at most once per interval, and never two at a time. */
import type { Progress } from './operation.ts';

export class ProgressWriter {
  readonly #write: (progress: Progress) => Promise<void>;
  readonly #intervalMs: number;
  #latest: Progress | null = null;
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> | null = null;
  #ended = false;

  constructor(write: (progress: Progress) => Promise<void>, intervalMs: number) {
    this.#write = write;
    this.#intervalMs = intervalMs;
  }

  report(progress: Progress): void {
    if (this.#ended) return;
    this.#latest = progress;
    if (!this.#timer && !this.#writing) this.#flush();
  }

  /** Nothing is under way when this resolves, and nothing will be. */
  async end(): Promise<void> {
    this.#ended = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#writing;
  }

  #flush(): void {
    const progress = this.#latest;
    this.#latest = null;
    if (!progress) return;
    this.#writing = this.#write(progress)
      .catch(() => {
        // Progress is for looking at; when the store cannot take it, the record of the step will tell.
      })
      .then(() => {
        this.#writing = null;
        if (!this.#ended) this.#timer = setTimeout(() => this.#onTimer(), this.#intervalMs).unref();
      });
  }

  #onTimer(): void {
    this.#timer = null;
    this.#flush();
  }
}
