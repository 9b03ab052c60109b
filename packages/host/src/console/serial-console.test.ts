import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { SerialConsole } from './serial-console.ts';

async function withPort(work: (guest: Socket, console: SerialConsole) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'corral-serial-'));
  const server = createServer().listen(join(folder, 'serial.sock'));
  await once(server, 'listening');
  const connected = once(server, 'connection');
  const console = new SerialConsole(join(folder, 'serial.sock'), assert.ifError);
  const [guest] = (await connected) as [Socket];
  try {
    await work(guest, console);
  } finally {
    console.close();
    guest.destroy();
    server.close();
    await rm(folder, { recursive: true });
  }
}

/** Reads until `text` came. */
async function readUntil(stream: AsyncIterable<Buffer>, text: string): Promise<string> {
  let seen = '';
  for await (const chunk of stream) {
    seen += chunk.toString();
    if (seen.includes(text)) return seen;
  }
  throw new Error(`the stream ended after ${JSON.stringify(seen)}`);
}

describe('the serial console', () => {
  it('shows a new viewer what was said before it came', () =>
    withPort(async (guest, console) => {
      const early = console.open();
      guest.write('booting');
      assert.equal(await readUntil(early, 'booting'), 'booting');
      assert.equal(await readUntil(console.open(), 'booting'), 'booting');
    }));

  it('takes input from several viewers', () =>
    withPort(async (guest, console) => {
      console.open().write('a');
      console.open().write('b');
      assert.match(await readUntil(guest, 'b'), /ab/);
    }));

  it('ends its viewers when the VM ends', () =>
    withPort(async (guest, console) => {
      const viewer = console.open().resume();
      const ended = once(viewer, 'end');
      guest.destroy();
      await ended;
    }));
});
