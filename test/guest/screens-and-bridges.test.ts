/** What a person sees of a guest, and guests that see each other. */
import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import { describe, it } from 'node:test';
import { testBridge } from '../support/bridges.ts';
import { bootedGuest, inGuest, microImage } from '../support/guests.ts';
import { eventually, succeeded } from '../support/operations.ts';
import { TestHost } from '../support/test-host.ts';

describe('two guests on a bridge', () => {
  it('ping each other, through devices that their own users opened', async () => {
    await using bridge = await testBridge();
    await using host = await TestHost.start();
    const { client } = host;
    const ports = [{ network: `bridge:${bridge.name}` }];
    await microImage(client);
    await Promise.all(['a', 'b'].map((name) => bootedGuest(client, { name, ports })));
    await inGuest(client, 'a', 'ip addr add 198.51.100.1/24 dev eth0');
    await inGuest(client, 'b', 'ip addr add 198.51.100.2/24 dev eth0');
    await eventually(
      'a reaches b',
      () => client.guest.exec('a', { command: ['ping', '-c', '1', '-W', '2', '198.51.100.2'] }),
      ({ exitCode }) => exitCode === 0,
    );
    for (const name of ['a', 'b']) await succeeded(client, client.vm.stop(name));
    assert.deepEqual(await bridge.devices(), [], 'the devices of both are gone');
  });

  it('is refused by name when the bridge is not there', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    await succeeded(client, client.vm.create({ name: 'a', ports: [{ network: 'bridge:nobridge' }] }));
    await assert.rejects(succeeded(client, client.vm.start('a')), /no bridge "nobridge"/);
    assert.equal((await client.vm.show('a')).state, 'off');
  });
});

describe('the display of a guest', () => {
  it('shows a frame through a ticket, which opens it once', async () => {
    await using host = await TestHost.start();
    const { client } = host;
    await succeeded(client, client.vm.create({ name: 'a' }));
    await succeeded(client, client.vm.start('a'));
    const { ticket } = await client.vm.ticket.create('a', { kind: 'display' });
    const display = await client.vm.display('a', { ticket });
    try {
      const frame = await firstFrame(display);
      assert.ok(frame.width >= 640 && frame.height >= 350 && frame.bytes > 0);
    } finally {
      display.destroy();
    }
    await assert.rejects(client.vm.display('a', { ticket }), { code: 'api.invalid-ticket' });
  });
});

/** A client of the RFB protocol that asks for one whole frame (RFC 6143 sections 7.1 to 7.6). */
async function firstFrame(display: Duplex): Promise<{ width: number; height: number; bytes: number }> {
  const reader = display[Symbol.asyncIterator]();
  let buffer = Buffer.alloc(0);
  const take = async (length: number): Promise<Buffer> => {
    while (buffer.length < length) {
      const next = await reader.next();
      if (next.done) throw new Error('the display ended');
      buffer = Buffer.concat([buffer, next.value as Buffer]);
    }
    const taken = buffer.subarray(0, length);
    buffer = buffer.subarray(length);
    return taken;
  };
  assert.match((await take(12)).toString(), /^RFB 003\.008\n$/);
  display.write('RFB 003.008\n');
  const types = await take((await take(1))[0]!);
  assert.ok(types.includes(1), 'no password: the ticket is the proof');
  display.write(Buffer.from([1]));
  assert.equal((await take(4)).readUInt32BE(), 0);
  display.write(Buffer.from([1]));
  const init = await take(24);
  const [width, height] = [init.readUInt16BE(0), init.readUInt16BE(2)];
  await take(init.readUInt32BE(20));
  const request = Buffer.alloc(10);
  request[0] = 3;
  request.writeUInt16BE(width, 6);
  request.writeUInt16BE(height, 8);
  display.write(request);
  const update = await take(4 + 12);
  return { width, height, bytes: update.length };
}
