/** What a store's failure is told as: our own errors and a cancel as they are, all else with the store's place. */
import { isCorralError } from '@corral/core/errors';
import { repositoryErrors } from '../errors.ts';

/** @param reason default: the name and the first line of what the store's library says */
export function storeFailure(
  place: string,
  action: string,
  cause: unknown,
  reason: string = reasonOf(cause),
): Error {
  if (cause instanceof Error && (cause.name === 'AbortError' || isCorralError(cause))) return cause;
  return repositoryErrors.store({ place, action, reason }, { cause });
}

/** @throws as `storeFailure` tells what `work` throws */
export async function tellingFailure<T>(place: string, action: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw storeFailure(place, action, cause);
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? `${cause.name}: ${cause.message.split('\n')[0]}` : String(cause);
}
