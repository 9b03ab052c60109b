import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseOptions } from './options.ts';

describe("corrald's command line", () => {
  it('has an endpoint on loopback unless told', () => {
    const options = parseOptions(['--data', '/d', '--name', 'n1']);
    assert.deepEqual(options, {
      dataDirectory: '/d',
      listen: { host: '127.0.0.1', port: 7443 },
      nodeName: 'n1',
      backupBytesPerSecond: null,
      mergeBytesPerSecond: 200 * 2 ** 20,
      checkpointLimits: { ageMs: 7 * 24 * 3600e3, part: 0.25 },
    });
  });

  it('says when checkpoints are warned of', () => {
    const of = (...args: string[]) => parseOptions(['--data', '/d', ...args])?.checkpointLimits;
    assert.deepEqual(of('--checkpoint-age', '1.5h', '--checkpoint-part', '80%'), {
      ageMs: 5_400_000,
      part: 0.8,
    });
    for (const wrong of ['80', 'much', '-1%']) {
      assert.throws(() => of(`--checkpoint-part=${wrong}`), { code: 'daemon.usage' });
    }
    assert.throws(() => of('--checkpoint-age', 'old'), { code: 'daemon.usage' });
  });

  it('takes IPv6 and a free port', () => {
    assert.deepEqual(parseOptions(['--data', '/d', '--listen', '[::1]:0'])?.listen, { host: '::1', port: 0 });
  });

  it('takes a limit for backups that is no stand-still', () => {
    const parsed = parseOptions(['--data', '/d', '--backup-bandwidth', '50MiB']);
    assert.equal(parsed?.backupBytesPerSecond, 50 * 2 ** 20);
    for (const option of ['--backup-bandwidth', '--merge-bandwidth']) {
      assert.throws(() => parseOptions(['--data', '/d', option, '1KiB']), { code: 'daemon.usage' });
    }
    assert.equal(parseOptions(['--data', '/d', '--merge-bandwidth', 'none'])?.mergeBytesPerSecond, 0);
  });

  it('refuses what it does not understand, and says how it is called', () => {
    const wrong = [
      [],
      ['--data'],
      ['--data', '/d', '--name', 'a b'],
      ['--data', '/d', 'more'],
      ['--dta', '/d'],
    ];
    for (const args of wrong) assert.throws(() => parseOptions(args), { code: 'daemon.usage' });
  });

  it('refuses an address that is none', () => {
    for (const address of ['8443', 'x:99999']) {
      assert.throws(() => parseOptions(['--data', '/d', '--listen', address]), {
        code: 'daemon.bad-listen-address',
      });
    }
  });

  it('answers --help with nothing to do', () => {
    assert.equal(parseOptions(['--help']), null);
  });
});
