/**
 * The daemon's certificate. An authority of its own (`ca.pem`, ten years) signs the server's certificate (one year),
 * so that the file which clients trust stays the same when the server's is renewed. Both keys have mode 0600.
 */
import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { unlessAbsent } from '@corral/host/storage/unless-absent';
import { makeWhole } from '@corral/host/storage/whole-files';
import type { SelfsignedOptions, SubjectAltNameEntry } from 'selfsigned';
import { daemonErrors } from '../errors.ts';

export interface ServerCertificate {
  readonly cert: string;
  readonly key: string;
  /** What a client trusts: `--ca`. */
  readonly caPath: string;
  readonly expiresAt: Date;
  /** Whether it was made just now. */
  readonly isNew: boolean;
}

export interface CertificateOptions {
  /** DIR/tls */
  readonly folder: string;
  /** Names and addresses under which clients reach the server. */
  readonly names: readonly string[];
  /** Milliseconds since 1970: certificates expire by the calendar. */
  readonly now?: () => number;
}

interface Pair {
  readonly cert: string;
  readonly key: string;
}

const day = 86_400_000;
const authorityLifetimeMs = 3650 * day;
const serverLifetimeMs = 365 * day;
/** A certificate is renewed when less than this is left of it. */
const renewBeforeMs = 30 * day;
/** A client whose clock lags accepts a certificate that was made just now. */
const backdateMs = day;

/** The certificate of the folder, made or renewed where that is due. @throws daemon.bad-certificate */
export async function serverCertificate(options: CertificateOptions): Promise<ServerCertificate> {
  const { folder, names } = options;
  const now = (options.now ?? Date.now)();
  await mkdir(folder, { recursive: true, mode: 0o711 });
  await chmod(folder, 0o711);
  const caPath = join(folder, 'ca.pem');
  const authority = await authorityPair(folder, now);
  const present = await readPair(folder, 'server');
  if (present && isGood(present, authority, names, now)) return result(present, caPath, false);
  const made = await makeServerPair(authority, names, now);
  await writePair(folder, 'server', made);
  return result(made, caPath, true);
}

function result(pair: Pair, caPath: string, isNew: boolean): ServerCertificate {
  return { ...pair, caPath, expiresAt: new X509Certificate(pair.cert).validToDate, isNew };
}

async function authorityPair(folder: string, now: number): Promise<Pair> {
  const present = await readPair(folder, 'ca');
  // It must outlive what it signs.
  if (present && expiry(present) > now + serverLifetimeMs) return present;
  const made = await generatePair(`Corral ${randomBytes(4).toString('hex')}`, {
    ...dates(now, authorityLifetimeMs),
    extensions: [
      { name: 'basicConstraints', cA: true, pathLenConstraint: 0, critical: true },
      { name: 'keyUsage', keyCertSign: true, critical: true },
    ],
  });
  await writePair(folder, 'ca', made);
  return made;
}

async function makeServerPair(authority: Pair, names: readonly string[], now: number): Promise<Pair> {
  const altNames = names.map(
    (name): SubjectAltNameEntry => (isIP(name) ? { type: 7, ip: name } : { type: 2, value: name }),
  );
  return generatePair('corrald', {
    ...dates(now, serverLifetimeMs),
    ca: authority,
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames },
    ],
  });
}

/** The library takes 20 MB of memory, so it is loaded in the one start of a year that needs it. */
async function generatePair(commonName: string, options: SelfsignedOptions): Promise<Pair> {
  const { generate } = await import('selfsigned');
  const common = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const;
  const pems = await generate([{ name: 'commonName', value: commonName }], { ...common, ...options });
  return { cert: pems.cert, key: pems.private };
}

function dates(now: number, lifetimeMs: number): { notBeforeDate: Date; notAfterDate: Date } {
  return { notBeforeDate: new Date(now - backdateMs), notAfterDate: new Date(now + lifetimeMs) };
}

function expiry({ cert }: Pair): number {
  return new X509Certificate(cert).validToDate.getTime();
}

/** Signed by this authority, for these names, and not about to end. */
function isGood(pair: Pair, authority: Pair, names: readonly string[], now: number): boolean {
  const certificate = new X509Certificate(pair.cert);
  const issuer = new X509Certificate(authority.cert);
  const covers = (name: string): boolean =>
    (isIP(name) ? certificate.checkIP(name) : certificate.checkHost(name)) !== undefined;
  return (
    expiry(pair) > now + renewBeforeMs &&
    certificate.checkIssued(issuer) &&
    certificate.verify(issuer.publicKey) &&
    names.every(covers)
  );
}

async function readPair(folder: string, name: 'ca' | 'server'): Promise<Pair | null> {
  const [certPath, keyPath] = pathsOf(folder, name);
  const readText = (path: string) => unlessAbsent(readFile(path, 'utf8'), null);
  const [cert, key] = await Promise.all([readText(certPath), readText(keyPath)]);
  // The certificate is written last: with the key alone the pair was never finished.
  if (cert === null) return null;
  try {
    if (new X509Certificate(cert).checkPrivateKey(createPrivateKey(key ?? ''))) return { cert, key: key! };
  } catch (cause) {
    throw daemonErrors['bad-certificate']({ path: certPath, reason: (cause as Error).message }, { cause });
  }
  // A crash between the two renames of a renewal leaves the new key beside the old certificate.
  if (name === 'server') return null;
  throw daemonErrors['bad-certificate']({ path: certPath, reason: 'its key is another one' });
}

async function writePair(folder: string, name: 'ca' | 'server', { cert, key }: Pair): Promise<void> {
  const [certPath, keyPath] = pathsOf(folder, name);
  await write(keyPath, key, 0o600);
  await write(certPath, cert, 0o644);
}

function pathsOf(folder: string, name: string): [cert: string, key: string] {
  return [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
}

/** With that very mode: clients of other users read the certificate, whatever mask the daemon was given. */
async function write(path: string, text: string, mode: number): Promise<void> {
  await makeWhole(path, async (part) => {
    await writeFile(part, text, { mode, flag: 'wx' });
    await chmod(part, mode);
  });
}
