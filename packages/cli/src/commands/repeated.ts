/**
 * A parser for an option that may be given several times: each value is added to those before it. The option has no
 * default, which the help would show; without the option its value is undefined.
 */
export function repeated<T>(
  parse: (text: string) => T,
): (text: string, before: readonly T[] | undefined) => readonly T[] {
  return (text, before = []) => [...before, parse(text)];
}
