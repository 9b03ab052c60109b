/** Progress of long work: what is being done, and how far, when that is known. */

export interface Progress {
  readonly step: string;
  /** Of `totalBytes`, when the work has a size. */
  readonly doneBytes?: number;
  readonly totalBytes?: number;
}

export interface LongWork {
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ((progress: Progress) => void) | undefined;
}
