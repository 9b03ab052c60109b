/**
 * Text from elsewhere, made safe for a terminal. A guest chooses its own hostname and a caller its messages: an escape
 * sequence in them must not reach the administrator's terminal (ECMA-48 control functions, C0 and C1).
 */

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const control = /[\u0000-\u001f\u007f-\u009f]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the same, but a line may end and a tab may stand
const controlInLines = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

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
