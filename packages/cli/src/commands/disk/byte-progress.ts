/** Progress of work on disk files, in bytes. */
import type { Context } from '../../context.ts';
import { type ProgressDisplay, progressDisplay } from '../../operation/progress-display.ts';
import { formatShare } from '../../render/values.ts';

export type OnProgress = (progress: { readonly doneBytes: number; readonly totalBytes: number }) => void;

/** Work that is done sooner shows nothing: a line that only flashes up helps nobody. */
const quietMs = 500;
/** On a terminal: often enough to move, seldom enough to cost nothing. */
const refreshMs = 100;

/** Does `work` and shows its progress meanwhile. @param what in the imperative: `Convert a.vhdx` */
export async function withByteProgress<T>(
  context: Context,
  what: string,
  work: (onProgress: OnProgress) => Promise<T>,
): Promise<T> {
  using display = progressDisplay(context.io, context.output);
  return await work(reporter(display, what, context.io.stderr.isTTY === true));
}

function reporter(display: ProgressDisplay, what: string, terminal: boolean): OnProgress {
  let dueAt = performance.now() + quietMs;
  let tenth = 0;
  return ({ doneBytes, totalBytes }) => {
    const now = performance.now();
    if (now < dueAt) return;
    const share = totalBytes > 0 ? Math.min(1, doneBytes / totalBytes) : 0;
    if (terminal) dueAt = now + refreshMs;
    else if (Math.floor(share * 10) <= tenth) return;
    tenth = Math.floor(share * 10);
    display.note(`${what}: ${Math.floor(share * 100)} % (${formatShare(doneBytes, totalBytes)})`);
  };
}
