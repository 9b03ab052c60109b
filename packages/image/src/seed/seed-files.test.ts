import assert from 'node:assert/strict';
import test from 'node:test';
import { isCorralError } from '@corral/core/errors';
import { parse } from 'yaml';
import { renewedMetaData, type SeedInput, seedFiles } from './seed-files.ts';

const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0Fz alice@example';
const base: SeedInput = { instanceId: 'f7a8', hostname: 'web1' };

test('keys and name go into meta-data, user-data stays as it was given', () => {
  const userData = '#!/bin/sh\necho "one: two: three"\n';
  const files = seedFiles({ ...base, sshKeys: [`${key}\n`], userData });
  assert.deepEqual(parse(files.get('meta-data')!), {
    'instance-id': 'f7a8',
    'local-hostname': 'web1',
    'public-keys': [key],
  });
  assert.equal(files.get('user-data'), userData);
  assert.equal(files.has('network-config'), false);
});

test('without user data there is an empty one, without which cloud-init ignores the seed', () => {
  assert.equal(seedFiles(base).get('user-data'), '#cloud-config\n{}\n');
});

test('a value that YAML would take for something else stays text', () => {
  const files = seedFiles({ instanceId: '0123', hostname: 'no' });
  assert.deepEqual(parse(files.get('meta-data')!), { 'instance-id': '0123', 'local-hostname': 'no' });
});

const refused: readonly (readonly [string, Partial<SeedInput>, RegExp])[] = [
  ['user data of no kind', { userData: 'packages: [nginx]\n' }, /first line must say/],
  ['user data that is not YAML', { userData: '#cloud-config\na: [1\n' }, /user data/],
  ['user data with a name twice', { userData: '#cloud-config\na: 1\na: 2\n' }, /unique/],
  ['user data that is a list', { userData: '#cloud-config\n- a\n' }, /mapping/],
  ['a private key', { sshKeys: ['-----BEGIN OPENSSH PRIVATE KEY-----'] }, /not a public key/],
  ['a key with a line break', { sshKeys: [`${key}\nrunc: x`] }, /not a public key/],
  ['a host name with a dot', { hostname: 'web.example' }, /not a host name/],
  ['a network that is text', { networkConfig: 'dhcp' }, /mapping/],
];

for (const [what, input, message] of refused) {
  test(`refuses ${what}`, () => {
    assert.throws(
      () => seedFiles({ ...base, ...input }),
      (error: unknown) => isCorralError(error, 'image.bad-seed') && message.test(error.message),
    );
  });
}

test('aliases that unfold without end are refused', () => {
  const rows = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
  for (let i = 1; i < 9; i += 1)
    rows.push(
      `a${i}: &a${i} [${Array(9)
        .fill(`*a${i - 1}`)
        .join(', ')}]`,
    );
  assert.throws(() => seedFiles({ ...base, userData: `#cloud-config\n${rows.join('\n')}\n` }), /alias/i);
});

test('a clone gets an id of its own, and its own name where the original had that of its VM', () => {
  const original = seedFiles({ ...base, sshKeys: [key] }).get('meta-data')!;
  const renew = (from: string, to: string): unknown =>
    parse(renewedMetaData(original, { instanceId: 'b2', hostname: { from, to } }));
  const unnamed = { 'instance-id': 'b2', 'public-keys': [key] };
  assert.deepEqual(renew('web1', 'web2'), { ...unnamed, 'local-hostname': 'web2' });
  assert.deepEqual(renew('vm7', 'web2'), { ...unnamed, 'local-hostname': 'web1' });
  assert.deepEqual(renew('web1', 'web_2'), { ...unnamed, 'local-hostname': 'web1' });
});
