/**
 * What the guest agent returns, by command (QEMU's qga/qapi-schema.json). The guest may be hostile, so each answer
 * is parsed: lists and texts are bounded, members that Corral does not use are dropped.
 */
import { z } from 'zod';

const text = z.string().max(65_536);
const name = z.string().max(4096);
const count = z.number().int().nonnegative();
/** Beyond 2^53 the last digits are lost, which a figure of bytes or nanoseconds can bear. */
const large = z.number().nonnegative();
const items = <T extends z.ZodType>(item: T) => z.array(item).max(4096);

/**
 * Base64, decoded. Node's decoder skips foreign characters, so the length tells whether there were any; a pattern
 * over the 22 million characters that a program may print would be slow.
 */
const bytes = z.string().transform((encoded, context) => {
  const padding = encoded.endsWith('==') ? 2 : encoded.endsWith('=') ? 1 : 0;
  const decoded = Buffer.from(encoded, 'base64');
  if (encoded.length % 4 !== 0 || decoded.length !== (encoded.length / 4) * 3 - padding) {
    context.addIssue({ code: 'custom', message: 'not Base64' });
    return z.NEVER;
  }
  return decoded;
});

export const integerShape = z.number().int();
/** Nanoseconds since 1970. */
export const timeShape = z.number();
export const nothingShape = z.unknown().transform((): undefined => undefined);

export const infoShape = z.object({
  version: name,
  supported_commands: items(
    z.object({ name, enabled: z.boolean(), 'success-response': z.boolean().optional() }),
  ),
});

export const osInfoShape = z.object({
  id: name.optional(),
  name: name.optional(),
  'pretty-name': name.optional(),
  version: name.optional(),
  'version-id': name.optional(),
  variant: name.optional(),
  'variant-id': name.optional(),
  machine: name.optional(),
  'kernel-release': name.optional(),
  'kernel-version': name.optional(),
});

export const hostNameShape = z.object({ 'host-name': name });

export const timezoneShape = z.object({ zone: name.optional(), offset: z.number().int() });

const interfaceStatistics = z.object({
  'rx-bytes': large,
  'rx-packets': large,
  'rx-errs': large,
  'rx-dropped': large,
  'tx-bytes': large,
  'tx-packets': large,
  'tx-errs': large,
  'tx-dropped': large,
});

export const interfacesShape = items(
  z.object({
    name,
    'hardware-address': name.optional(),
    'ip-addresses': items(
      z.object({
        'ip-address': name,
        'ip-address-type': z.enum(['ipv4', 'ipv6']),
        prefix: z.number().int().min(0).max(128),
      }),
    ).optional(),
    statistics: interfaceStatistics.optional(),
  }),
);

export const usersShape = items(z.object({ user: name, 'login-time': z.number(), domain: name.optional() }));

export const fsInfoShape = items(
  z.object({
    name,
    mountpoint: name,
    type: name,
    'used-bytes': large.optional(),
    'total-bytes': large.optional(),
    disk: items(z.object({ serial: name.optional(), dev: name.optional(), 'bus-type': name.optional() })),
  }),
);

export const trimShape = z.object({
  paths: items(
    z.object({ path: name, trimmed: large.optional(), minimum: large.optional(), error: name.optional() }),
  ),
});

export const freezeStatusShape = z.enum(['thawed', 'frozen']);

export const vcpusShape = items(
  z.object({ 'logical-id': count, online: z.boolean(), 'can-offline': z.boolean().optional() }),
);

export const sshKeysShape = z.object({ keys: items(text) });

export const execShape = z.object({ pid: z.number().int() });

export const execStatusShape = z.object({
  exited: z.boolean(),
  exitcode: z.number().int().optional(),
  signal: z.number().int().optional(),
  'out-data': bytes.optional(),
  'err-data': bytes.optional(),
  'out-truncated': z.boolean().optional(),
  'err-truncated': z.boolean().optional(),
});

export const fileReadShape = z.object({ count, 'buf-b64': bytes, eof: z.boolean() });
export const fileWriteShape = z.object({ count, eof: z.boolean() });

export type AgentInfo = z.output<typeof infoShape>;
export type AgentOsInfo = z.output<typeof osInfoShape>;
export type AgentInterface = z.output<typeof interfacesShape>[number];
export type AgentUser = z.output<typeof usersShape>[number];
export type AgentFileSystem = z.output<typeof fsInfoShape>[number];
export type AgentTrim = z.output<typeof trimShape>['paths'][number];
export type AgentVcpu = z.output<typeof vcpusShape>[number];
export type AgentTimezone = z.output<typeof timezoneShape>;
export type ExecStatus = z.output<typeof execStatusShape>;
export type FreezeStatus = z.output<typeof freezeStatusShape>;
