/** Numbers of the command line; sizes and durations are in `@corral/core/units`. */
import { cliErrors } from '../errors.ts';

/** A parser for whole numbers from `min` to `max`. It throws cli.value. */
export function wholeNumber(what: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw cliErrors.value({ what, text, expected: `Write a whole number from ${min} to ${max}.` });
  };
}
