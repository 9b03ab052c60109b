/**
 * The files of a cloud-init seed for its NoCloud data source (docs.cloud-init.io, "NoCloud"). Pure.
 *
 * Keys go into meta-data as `public-keys`, so that user-data stays exactly what was given, whatever its kind.
 */
import { parse, parseDocument, stringify } from 'yaml';
import { imageErrors } from '../errors.ts';

export interface SeedInput {
  /** Changes when the guest shall take itself for a new one: a clone's differs. */
  readonly instanceId: string;
  readonly hostname: string;
  readonly sshKeys?: readonly string[] | undefined;
  /** `#cloud-config`, a script, or another kind that cloud-init knows. */
  readonly userData?: string | undefined;
  /** Network configuration, version 1 or 2; without, the guest asks DHCP as its image says. */
  readonly networkConfig?: string | undefined;
}

/** The first line tells cloud-init what user-data is (docs.cloud-init.io, "User data formats"). */
const knownStarts = [
  '#cloud-config',
  '#!',
  '#include',
  '#cloud-boothook',
  '#part-handler',
  '#cloud-config-archive',
  '## template: jinja',
  'Content-Type: multipart/',
  'MIME-Version:',
];

/** A line of authorized_keys (sshd(8)) without options: type, key in base64, comment. */
const publicKey = /^(ssh-|ecdsa-|sk-)[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}( [^\r\n]*)?$/;

const hostnamePattern = /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;

/** @throws image.bad-seed if it is not YAML with named values at its top */
function checkYamlMapping(what: string, text: string): void {
  // Aliases are bounded by the parser: a few lines cannot unfold into gigabytes.
  const document = parseDocument(text, { uniqueKeys: true });
  const problem = document.errors[0];
  if (problem) throw imageErrors['bad-seed']({ what, reason: problem.message.split('\n')[0]! });
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    throw imageErrors['bad-seed']({ what, reason: (cause as Error).message }, { cause });
  }
  if (value !== null && (typeof value !== 'object' || Array.isArray(value))) {
    throw imageErrors['bad-seed']({ what, reason: 'it must be a mapping of names to values' });
  }
}

function checkUserData(text: string): void {
  const first = text.split('\n', 1)[0]!.trim();
  if (!knownStarts.some((start) => first.startsWith(start))) {
    const reason = 'its first line must say what it is, such as #cloud-config or #!/bin/sh';
    throw imageErrors['bad-seed']({ what: 'user data', reason });
  }
  if (first === '#cloud-config') checkYamlMapping('user data', text);
}

/**
 * @returns name → content
 * @throws image.bad-seed
 */
export function seedFiles(input: SeedInput): ReadonlyMap<string, string> {
  const { instanceId, hostname, sshKeys = [], userData, networkConfig } = input;
  if (!hostnamePattern.test(hostname)) {
    throw imageErrors['bad-seed']({ what: 'host name', reason: `"${hostname}" is not a host name` });
  }
  const keys = sshKeys.map((key) => key.trim());
  const bad = keys.find((key) => !publicKey.test(key));
  if (bad !== undefined) {
    const reason = `"${bad.slice(0, 40)}" is not a public key as in id_ed25519.pub`;
    throw imageErrors['bad-seed']({ what: 'SSH key', reason });
  }
  if (userData !== undefined) checkUserData(userData);
  if (networkConfig !== undefined) checkYamlMapping('network configuration', networkConfig);
  const metaData = {
    'instance-id': instanceId,
    'local-hostname': hostname,
    ...(keys.length > 0 ? { 'public-keys': keys } : {}),
  };
  return new Map([
    ['meta-data', stringify(metaData, { lineWidth: 0 })],
    // Nothing at all would be a configuration that cloud-init warns of.
    ['user-data', userData ?? '#cloud-config\n{}\n'],
    ...(networkConfig === undefined ? [] : [['network-config', networkConfig] as const]),
  ]);
}

/** What of a seed changes for a clone. */
export interface SeedRenewal {
  readonly instanceId: string;
  /** The name of the original, and the clone's: a guest that was named otherwise keeps its name. */
  readonly hostname: { readonly from: string; readonly to: string };
}

/** The meta-data of a clone's seed: keys and all else stay. */
export function renewedMetaData(metaData: string, { instanceId, hostname }: SeedRenewal): string {
  const before = (parse(metaData) ?? {}) as Readonly<Record<string, unknown>>;
  const renamed = before['local-hostname'] === hostname.from && hostnamePattern.test(hostname.to);
  const after = {
    ...before,
    'instance-id': instanceId,
    ...(renamed ? { 'local-hostname': hostname.to } : {}),
  };
  return stringify(after, { lineWidth: 0 });
}
