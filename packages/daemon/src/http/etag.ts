/**
 * ETags against lost updates (RFC 9110 sections 8.8.3 and 13.1.1). The tag is the generation of a resource's
 * settings: a change of state between reading and changing is no reason to refuse.
 */
import { apiErrors } from '@corral/api/errors';

export function etagOf(generation: number): string {
  return `"${generation}"`;
}

/**
 * @returns the generation that the caller has read, or null when it said that any will do
 * @throws api.precondition-required, api.invalid-request
 */
export function parseIfMatch(header: string | undefined): number | null {
  if (header === undefined) throw apiErrors['precondition-required']();
  const text = header.trim();
  if (text === '*') return null;
  const match = /^"(\d{1,15})"$/.exec(text);
  if (match) return Number(match[1]);
  throw apiErrors['invalid-request']({ issues: [`If-Match: ${text} is no ETag of this API`] });
}
