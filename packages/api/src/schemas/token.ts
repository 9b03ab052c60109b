/** Tokens of the API. Only a hash is kept; the secret is shown once. */
import { z } from 'zod';
import { roles } from '../roles.ts';
import { Id, Name, Timestamp } from './common.ts';

export const RoleName = z.enum(roles).describe('each includes the ones before it');

const day = 86_400_000;

export const Token = z.strictObject({
  id: Id,
  name: Name,
  createdAt: Timestamp,
  expiresAt: Timestamp,
  role: RoleName,
  createdBy: z.string(),
});

export const TokenCreate = z.strictObject({
  name: Name.optional().describe('default: the role and the beginning of the id'),
  role: RoleName,
  lifetimeMs: z
    .int()
    .min(1000)
    .max(3650 * day)
    .default(90 * day)
    .describe('milliseconds until it expires'),
});

export const TokenCreated = Token.extend({
  token: z.string().describe('the secret; shown only now'),
});

export type Token = z.infer<typeof Token>;
export type TokenCreate = z.infer<typeof TokenCreate>;
export type TokenCreated = z.infer<typeof TokenCreated>;
