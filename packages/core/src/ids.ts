/** Identifiers: UUIDs that never change, and the names that people give. */
import { createHash, randomUUID } from 'node:crypto';
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

/**
 * An id that is always the same for the same text: what a repeated step makes has the id that its first try gave.
 * Version 8 of RFC 9562 section 5.8, from SHA-256.
 */
export function derivedId(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

export function isId(text: string): boolean {
  return uuidPattern.test(text);
}

/** @throws name.invalid */
export function checkName(what: string, name: string): string {
  if (!namePattern.test(name) || isId(name.toLowerCase())) throw nameErrors.invalid({ what, name });
  return name;
}
