/** What is not there is an answer: files come and go while they are looked at, and not every host has all of them. */
import { access } from 'node:fs/promises';

/** What `work` gives, or `otherwise` where the file or folder is not there. */
export async function unlessAbsent<T, U>(work: Promise<T>, otherwise: U): Promise<T | U> {
  try {
    return await work;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return otherwise;
    throw cause;
  }
}

/** Whether there is something of that name; a link counts if it leads somewhere. */
export async function isThere(path: string): Promise<boolean> {
  return (await unlessAbsent(access(path), 'absent')) !== 'absent';
}
