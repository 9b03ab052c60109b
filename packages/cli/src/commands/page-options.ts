/** Words of the options that every list has. Without them a list is complete. */
import { wholeNumber } from '../parse/numbers.ts';

export const limit = [
  '--limit <count>',
  'one page of so many, 1 to 1000, instead of all',
  (text: string): number => wholeNumber('a page size', 1, 1000)(text),
] as const;

export const after = ['--after <next>', 'the page behind this one: "next" of the page before'] as const;
