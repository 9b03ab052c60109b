/** What the guest agent does and tells. */
import { z } from 'zod';
import { Bytes, MacAddress, Milliseconds, PageQuery } from './common.ts';

/** Of one captured stream. The guest agent keeps all output in the guest's memory until the command ends. */
export const guestOutputLimit = 16 * 2 ** 20;
/** Of one file that goes in or comes out through the agent. */
export const guestFileLimit = 64 * 2 ** 20;

export const GuestEncoding = z
  .enum(['utf-8', 'base64'])
  .describe('utf-8 replaces what is not UTF-8 by U+FFFD; base64 keeps every byte');

export const GuestExec = z.strictObject({
  command: z.array(z.string().max(65_536)).min(1).max(1024).describe('program and arguments; no shell'),
  env: z
    .record(
      z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of a variable'),
      z.string().max(65_536),
    )
    .optional()
    .describe("added to the agent's environment"),
  stdin: z
    .string()
    .max(2 ** 20)
    .optional()
    .describe('base64'),
  encoding: GuestEncoding.default('utf-8').describe('of stdout and stderr in the answer'),
  limitMs: Milliseconds.min(1)
    .max(3_600_000)
    .default(60_000)
    .describe('how long to wait; the command itself goes on in the guest'),
});

export const GuestExecResult = z.strictObject({
  exitCode: z.int().nullable().describe('null when a signal ended it'),
  signal: z.int().nullable(),
  encoding: GuestEncoding,
  stdout: z.string(),
  stderr: z.string(),
  truncated: z.boolean().describe('whether output was lost at the limit'),
});

export const GuestAddress = z.strictObject({
  interface: z.string(),
  mac: MacAddress.nullable(),
  address: z.string(),
  prefix: z.int().min(0).max(128),
  family: z.enum(['ipv4', 'ipv6']),
});

export const GuestInfo = z.strictObject({
  agentVersion: z.string(),
  hostname: z.string().nullable(),
  osName: z.string().nullable(),
  osVersion: z.string().nullable(),
  kernel: z.string().nullable(),
  addresses: z.array(GuestAddress),
  clockOffsetMs: z.int().nullable().describe("the guest's clock less the host's"),
  commands: z.array(z.string()).describe('what this agent can do'),
});

export const GuestPath = z
  .string()
  .min(1)
  .max(4096)
  .refine((path) => !path.includes('\0'), 'A path holds no zero byte');

export const GuestFileQuery = z.strictObject({ path: GuestPath.describe('in the guest, absolute') });

export const GuestFileReadQuery = GuestFileQuery.extend({
  maxBytes: z.coerce.number().int().min(1).max(guestFileLimit).default(guestFileLimit),
});

export const GuestFileWritten = z.strictObject({ path: GuestPath, sizeBytes: Bytes });

/** Hyper-V's data exchange: the host writes `host` entries for the guest to read, the guest writes `guest` ones. */
export const KeyValueSource = z.enum(['host', 'guest']).describe('who wrote it');

export const KeyValueKey = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/,
    'must be letters, digits, ".", "_" and "-", and begin with a letter or digit',
  );

export const KeyValue = z.strictObject({
  key: KeyValueKey,
  value: z.string().max(2048),
  source: KeyValueSource,
});

export const KeyValueListQuery = PageQuery.extend({ source: KeyValueSource.optional() });
export const KeyValueQuery = z.strictObject({ source: KeyValueSource.default('guest') });
export const KeyValuePut = z.strictObject({ value: z.string().max(2048) });

export type GuestExec = z.infer<typeof GuestExec>;
export type GuestExecResult = z.infer<typeof GuestExecResult>;
export type GuestInfo = z.infer<typeof GuestInfo>;
export type GuestFileWritten = z.infer<typeof GuestFileWritten>;
export type KeyValue = z.infer<typeof KeyValue>;
export type KeyValueSource = z.infer<typeof KeyValueSource>;
