/** Colour for people. `plain` leaves every text as it is. */

export type Tone = 'good' | 'warn' | 'bad' | 'dim' | 'strong';
export type Paint = (text: string, tone: Tone | undefined) => string;

/** Select graphic rendition (ECMA-48, 8.3.117): on and off. Node's util has them too, but costs 3 ms to import. */
const renditions: Readonly<Record<Tone, readonly [on: number, off: number]>> = {
  good: [32, 39],
  warn: [33, 39],
  bad: [31, 39],
  dim: [2, 22],
  strong: [1, 22],
};

export const plain: Paint = (text) => text;

const coloured: Paint = (text, tone) => {
  if (tone === undefined) return text;
  const [on, off] = renditions[tone];
  return `\u001b[${on}m${text}\u001b[${off}m`;
};

export function paintFor(colour: boolean): Paint {
  return colour ? coloured : plain;
}
