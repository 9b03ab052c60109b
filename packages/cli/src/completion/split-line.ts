/**
 * Words of a command line that is still being typed, as bash splits it: quotes and backslashes taken off, the last
 * word unfinished. Variables and other expansions stay as they are written.
 */

/** The last word is the one at the cursor; empty behind a blank. */
export function splitLine(line: string): readonly string[] {
  const words: string[] = [];
  let word = '';
  let begun = false;
  let quote: string | null = null;
  for (let index = 0; index < line.length; index += 1) {
    const char = line[index]!;
    if (quote === null && /\s/.test(char)) {
      if (begun) words.push(word);
      [word, begun] = ['', false];
      continue;
    }
    begun = true;
    if (quote === null && (char === '"' || char === "'")) quote = char;
    else if (char === quote) quote = null;
    else if (char === '\\' && quote !== "'") {
      const next = line[index + 1];
      // Inside double quotes a backslash escapes these only (POSIX shell, section 2.2.3).
      const kept = quote === '"' && next !== undefined && !'"\\$`'.includes(next);
      word += kept ? `\\${next}` : (next ?? '');
      index += 1;
    } else word += char;
  }
  return [...words, word];
}
