/** `--autostart ORDER[:DELAY]`: lowest order first; the next order begins DELAY after this VM was started. */
import { parseDuration } from '@corral/core/units';
import { cliErrors } from '../errors.ts';

export interface AutostartValue {
  readonly order: number;
  readonly delayMs: number;
}

const longestDelayMs = 3_600_000;

/** @throws cli.value; unit.duration */
export function parseAutostart(text: string): AutostartValue {
  const match = /^(\d{1,4})(?::(.+))?$/.exec(text);
  const delayMs = match?.[2] === undefined ? 0 : parseDuration(match[2]);
  if (!match || delayMs > longestDelayMs) {
    throw cliErrors.value({
      what: 'an order of starting',
      text,
      expected: 'Write ORDER or ORDER:DELAY, with 0 to 9999 and at most 1h: 10, 20:30s.',
    });
  }
  return { order: Number(match[1]), delayMs };
}
