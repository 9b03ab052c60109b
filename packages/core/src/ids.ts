/** Identifiers: UUIDs that never change, and the names that people give. */
import { randomUUID } from 'node:crypto';
import { defineErrors, error } from './errors.ts';

export const nameErrors = defineErrors('name', {
  invalid: error<{ what: string; name: string }>(
    400,
    'Not a valid name',
    (p) =>
      `"${p.name}" cannot be the name of a ${p.what}. Use 1 to 63 letters, digits, "-", "_" or "."; begin with a letter or digit.`,
  ),
});

/** UUID in lower case, RFC 9562 section 4. */
export const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Names are safe in a path, in a QEMU option and in a shell: nothing in them needs quoting. */
export const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export function newId(): string {
  return randomUUID();
}

export function isId(text: string): boolean {
  return uuidPattern.test(text);
}

/** @throws name.invalid */
export function checkName(what: string, name: string): string {
  if (!namePattern.test(name) || isId(name.toLowerCase())) throw nameErrors.invalid({ what, name });
  return name;
}
