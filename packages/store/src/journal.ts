/** What makes the changes of a local store last. */
import type { StateChange } from './store-state.ts';

export interface Journal {
  /** Makes all of them last, in order; when it rejects, none of them does. One call at a time. */
  write(changes: readonly StateChange[]): Promise<void>;
  close(): Promise<void>;
}

/** For a store that lasts as long as its process. */
export const noJournal: Journal = {
  write: () => Promise.resolve(),
  close: () => Promise.resolve(),
};
