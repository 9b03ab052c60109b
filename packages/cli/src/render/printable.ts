/**
 * Text from elsewhere, made safe for a terminal. A guest chooses its own hostname and a caller its messages: an escape
 * sequence in them must not reach the administrator's terminal. Control functions are the C0 and C1 sets of ECMA-48,
 * Unicode's category Cc.
 */
const control = /\p{Cc}/gu;
const controlInLines = /[^\P{Cc}\n\t]/gu;

/** One line: control characters become visible as `\xNN`. */
export function printable(text: string): string {
  return text.replace(control, escapeCode);
}

/** The same for text of several lines. */
export function printableLines(text: string): string {
  return text.replace(controlInLines, escapeCode);
}

function escapeCode(char: string): string {
  return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
