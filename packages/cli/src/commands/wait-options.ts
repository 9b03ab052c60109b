/** Words of the options that every command with an operation behind it has. */
import { parseDuration } from '@corral/core/units';

export const noWait = [
  '--no-wait',
  'print the operation and end at once; "corral operation follow" takes it up',
] as const;

export const waitLimit = [
  '--wait-limit <duration>',
  'how long to wait at most, such as 90s; the operation goes on',
  (text: string): number => parseDuration(text),
] as const;
