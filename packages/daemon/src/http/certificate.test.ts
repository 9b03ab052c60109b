import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { serverCertificate } from './certificate.ts';

const day = 86_400_000;
const names = ['localhost', '127.0.0.1', '::1'];
let root: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'corral-certificate-'));
});
after(() => rm(root, { recursive: true }));

async function newFolder(): Promise<string> {
  return join(await mkdtemp(join(root, 'x')), 'tls');
}

test('a certificate is made once, for all names, with private keys', async () => {
  const folder = await newFolder();
  const first = await serverCertificate({ folder, names });
  assert.equal(first.isNew, true);
  const certificate = new X509Certificate(first.cert);
  assert.ok(
    certificate.checkIP('127.0.0.1') && certificate.checkIP('::1') && certificate.checkHost('localhost'),
  );
  assert.ok(certificate.verify(new X509Certificate(await readFile(first.caPath)).publicKey));
  assert.equal(certificate.ca, false);
  for (const file of ['ca.key', 'server.key']) {
    assert.equal((await stat(join(folder, file))).mode & 0o777, 0o600, file);
  }
  const second = await serverCertificate({ folder, names });
  assert.deepEqual(second, { ...first, isNew: false });
});

test('it is renewed before it expires, and what clients trust stays', async () => {
  const folder = await newFolder();
  const first = await serverCertificate({ folder, names });
  const trusted = await readFile(first.caPath, 'utf8');
  const later = Date.now() + 340 * day;
  const second = await serverCertificate({ folder, names, now: () => later });
  assert.ok(second.isNew && second.cert !== first.cert);
  assert.ok(second.expiresAt.getTime() > later + 300 * day);
  assert.equal(await readFile(second.caPath, 'utf8'), trusted);
});

test('an authority that would end before what it signs is replaced', async () => {
  const folder = await newFolder();
  const first = await serverCertificate({ folder, names });
  const trusted = await readFile(first.caPath, 'utf8');
  const later = Date.now() + 3400 * day;
  const second = await serverCertificate({ folder, names, now: () => later });
  assert.notEqual(await readFile(second.caPath, 'utf8'), trusted);
  assert.ok(
    new X509Certificate(second.cert).verify(new X509Certificate(await readFile(second.caPath)).publicKey),
  );
});

test('a name that it does not have makes a new one', async () => {
  const folder = await newFolder();
  await serverCertificate({ folder, names });
  const second = await serverCertificate({ folder, names: [...names, '192.0.2.7'] });
  assert.ok(second.isNew && new X509Certificate(second.cert).checkIP('192.0.2.7'));
});

test('a crash between key and certificate is repaired', async () => {
  const [folder, other] = [await newFolder(), await newFolder()];
  const first = await serverCertificate({ folder, names });
  await serverCertificate({ folder: other, names });
  await writeFile(join(folder, 'server.key'), await readFile(join(other, 'server.key')));
  const second = await serverCertificate({ folder, names });
  assert.ok(second.isNew && second.cert !== first.cert);
});

test('a damaged or foreign authority is named, not replaced: clients trust the old one', async () => {
  const [folder, other] = [await newFolder(), await newFolder()];
  const { caPath } = await serverCertificate({ folder, names });
  await serverCertificate({ folder: other, names });
  await writeFile(join(folder, 'ca.key'), await readFile(join(other, 'ca.key')));
  await assert.rejects(serverCertificate({ folder, names }), { code: 'daemon.bad-certificate' });
  await writeFile(caPath, 'not a certificate');
  await assert.rejects(serverCertificate({ folder, names }), { code: 'daemon.bad-certificate' });
});
