/** `HEAD[,key=value...]`, as QEMU writes its options: a comma that belongs to a value is written twice. */
import { cliErrors } from '../errors.ts';

export interface Fields {
  readonly head: string;
  readonly options: ReadonlyMap<string, string>;
}

/**
 * @param what names the thing in errors: `a disk`
 * @throws cli.value for a piece without `=`, an unknown key, or a key given twice
 */
export function parseFields(text: string, what: string, known: readonly string[], expected: string): Fields {
  const [head = '', ...rest] = splitAtSingleCommas(text);
  const options = new Map<string, string>();
  for (const piece of rest) {
    const at = piece.indexOf('=');
    const key = piece.slice(0, Math.max(at, 0));
    if (at < 1 || !known.includes(key) || options.has(key)) throw cliErrors.value({ what, text, expected });
    options.set(key, piece.slice(at + 1));
  }
  return { head, options };
}

function splitAtSingleCommas(text: string): string[] {
  const pieces = [''];
  for (let index = 0; index < text.length; index += 1) {
    const char = text[index]!;
    if (char !== ',') pieces[pieces.length - 1] += char;
    else if (text[index + 1] === ',') {
      pieces[pieces.length - 1] += ',';
      index += 1;
    } else pieces.push('');
  }
  return pieces;
}
