/** Pieces that several resources are made of. */
import { namePattern, uuidPattern } from '@corral/core/ids';
import { z } from 'zod';

export const Id = z
  .string()
  .regex(uuidPattern, 'must be an id: a UUID in small letters')
  .describe('UUID; never changes');
const nameRule = '1 to 63 letters, digits, "-", "_" or "."; begins with a letter or digit';
export const Name = z
  .string()
  .regex(namePattern, `must be ${nameRule}`)
  .refine((name) => !uuidPattern.test(name.toLowerCase()), 'A name cannot look like an id')
  .describe(nameRule);
export const NameOrId = z.string().min(1).max(63).describe('name or id');
export const Timestamp = z.iso.datetime().describe('RFC 3339, UTC');
export const Bytes = z.int().min(0).describe('bytes');
export const Milliseconds = z.int().min(0).describe('milliseconds');
/** IEEE 802 address, unicast, as QEMU prints it. */
export const MacAddress = z
  .string()
  .regex(
    /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/,
    'must be a unicast address in small letters, such as 52:54:00:12:34:56',
  );

/** One page of a list. `next` goes into the query of the next request; null on the last page. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.strictObject({ items: z.array(item), next: z.string().nullable() });
}

export const PageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  after: z.string().max(512).optional().describe('`next` of the page before'),
});
