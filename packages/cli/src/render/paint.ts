/** Colour for people. `plain` leaves every text as it is. */
import { styleText } from 'node:util';

export type Tone = 'good' | 'warn' | 'bad' | 'dim' | 'strong';
export type Paint = (text: string, tone: Tone | undefined) => string;

const styles = { good: 'green', warn: 'yellow', bad: 'red', dim: 'dim', strong: 'bold' } as const;

export const plain: Paint = (text) => text;

const coloured: Paint = (text, tone) =>
  tone === undefined ? text : styleText(styles[tone], text, { validateStream: false });

export function paintFor(colour: boolean): Paint {
  return colour ? coloured : plain;
}
