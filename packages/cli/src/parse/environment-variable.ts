/** `--env NAME=VALUE` of a program in the guest. */
import { cliErrors } from '../errors.ts';

/** @throws cli.value */
export function parseVariable(text: string): readonly [name: string, value: string] {
  const match = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(text);
  if (match) return [match[1]!, match[2]!];
  throw cliErrors.value({
    what: 'an environment variable',
    text,
    expected: 'Write NAME=VALUE; the name has letters, digits and "_", and no digit in front.',
  });
}
