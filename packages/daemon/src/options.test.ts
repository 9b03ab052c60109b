import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseOptions } from './options.ts';

describe("corrald's command line", () => {
  it('has an endpoint on loopback unless told', () => {
    const options = parseOptions(['--data', '/d', '--name', 'n1']);
    assert.deepEqual(options, {
      dataDirectory: '/d',
      listen: { host: '127.0.0.1', port: 8443 },
      nodeName: 'n1',
    });
  });

  it('takes IPv6, a free port, and no endpoint at all', () => {
    assert.deepEqual(parseOptions(['--data', '/d', '--listen', '[::1]:0'])?.listen, { host: '::1', port: 0 });
    assert.equal(parseOptions(['--data', '/d', '--listen', 'none'])?.listen, null);
  });

  it('refuses what it does not understand, and says how it is called', () => {
    const wrong = [
      [],
      ['--data'],
      ['--data', '/d', '--listen', '8443'],
      ['--data', '/d', '--listen', 'x:99999'],
      ['--data', '/d', '--name', 'a b'],
      ['--data', '/d', 'more'],
      ['--dta', '/d'],
    ];
    for (const args of wrong) assert.throws(() => parseOptions(args), { code: 'corrald.usage' });
  });

  it('answers --help with nothing to do', () => {
    assert.equal(parseOptions(['--help']), null);
  });
});
