/**
 * A second reader, made from docs/formats/repository.md alone: it shares no line with the product, so that the document is
 * proved to be enough. It restores one disk of one point from a directory, and is slow and simple on purpose.
 */
import { createDecipheriv, hkdfSync } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { Blake3Hasher, blake3 } from '@napi-rs/blake-hash';
import { hashRawSync } from '@node-rs/argon2';

const zero = '00'.repeat(32);

interface Place {
  pack: string;
  offset: number;
  word: number;
}

export class IndependentReader {
  readonly #root: string;
  readonly #repositoryId: Buffer;
  readonly #isEncrypted: boolean;
  readonly #master: Buffer;
  readonly #places = new Map<string, Place[]>();

  constructor(root: string, secret?: { passphrase?: string; keyFile?: Buffer }) {
    this.#root = root;
    const configBytes = readFileSync(join(root, 'config'));
    const config = this.#text(configBytes);
    this.#repositoryId = Buffer.from(String(config['id']).replaceAll('-', ''), 'hex');
    this.#isEncrypted = config['encryption'] === 'aes-256-gcm';
    this.#master = this.#isEncrypted
      ? this.#unwrap(configBytes, secret ?? {})
      : blake3(Buffer.concat([Buffer.from('corral repository without encryption'), this.#repositoryId]));
    this.#loadIndex();
  }

  #text(bytes: Buffer): Record<string, unknown> {
    const [line, checksum] = bytes.toString('utf8').split('\n');
    if (blake3(line!).toString('hex') !== checksum) throw new Error('checksum of a text object');
    return JSON.parse(line!);
  }

  #unwrap(config: Buffer, secret: { passphrase?: string; keyFile?: Buffer }): Buffer {
    for (const file of this.#files('keys')) {
      const key = this.#text(readFileSync(join(this.#root, 'keys', file))) as Record<string, string & number>;
      const salt = Buffer.from(key['salt']!, 'base64');
      let wrapping: Buffer;
      if (key['kdf'] === 'argon2id' && secret.passphrase !== undefined) {
        wrapping = hashRawSync(secret.passphrase, {
          algorithm: 2,
          salt,
          memoryCost: key['memoryKiB']!,
          timeCost: key['iterations']!,
          parallelism: key['lanes']!,
          outputLen: 32,
        });
      } else if (key['kdf'] === 'key-file' && secret.keyFile) {
        wrapping = Buffer.from(hkdfSync('sha256', secret.keyFile, salt, 'corral/key-file', 32));
      } else continue;
      const master = gcm(
        wrapping,
        Buffer.from(key['nonce']!, 'base64'),
        Buffer.from(key['wrapped']!, 'base64'),
        Buffer.concat([config, Buffer.from(file)]),
      );
      if (master) return master;
    }
    throw new Error('no key fits');
  }

  #derived(info: string, salt: Buffer = this.#repositoryId): Buffer {
    return Buffer.from(hkdfSync('sha256', this.#master, salt, info, 32));
  }

  #openChunk(object: Buffer, section: number, number: number, sealed: Buffer, extra = ''): Buffer {
    const header = object.subarray(0, 64);
    const kind = header.toString('latin1', 6, 7);
    if (header.toString('latin1', 0, 6) !== 'CORRAL' || header[7] !== 1) throw new Error('header');
    if (!header.subarray(8, 24).equals(this.#repositoryId)) throw new Error('another repository');
    const key = this.#derived(`corral/object/${kind}`, header.subarray(40, 64));
    const nonce = Buffer.alloc(12);
    nonce.writeUInt32LE(section);
    nonce.writeBigUInt64LE(BigInt(number), 4);
    const associated = Buffer.concat([header, Buffer.from(extra)]);
    if (this.#isEncrypted) {
      const plain = gcm(key, nonce, sealed, associated);
      if (!plain) throw new Error('seal');
      return plain;
    }
    const plain = sealed.subarray(0, -16);
    const tag = keyed(key, nonce, associated, plain).subarray(0, 16);
    if (!tag.equals(sealed.subarray(-16))) throw new Error('checksum');
    return plain;
  }

  #document(name: string): Record<string, never> {
    const bytes = readFileSync(join(this.#root, name));
    return JSON.parse(this.#openChunk(bytes, 1, 0, bytes.subarray(64), name).toString());
  }

  #loadIndex(): void {
    const states = this.#files('states').sort();
    const state =
      states.length > 0 ? this.#document(`states/${states.at(-1)}`) : { segments: [], superseded: [] };
    for (const file of this.#files('index')) {
      const bytes = readFileSync(join(this.#root, 'index', file));
      const metaEnd = 68 + bytes.readUInt32LE(64);
      const meta = JSON.parse(this.#openChunk(bytes, 1, 0, bytes.subarray(68, metaEnd)).toString());
      const counts = meta.merged ? state['segments'] : [file];
      if (!(counts as string[]).includes(file) || (state['superseded'] as string[]).includes(file)) continue;
      let at = metaEnd + meta.packs * 32 + 16;
      const table = this.#openChunk(bytes, 2, 0, bytes.subarray(metaEnd, at));
      at += Math.ceil(meta.entries / 256) * 8 + 16 + meta.filterBytes + 16;
      for (let page = 0; page * 256 < meta.entries; page += 1) {
        const length = Math.min(256, meta.entries - page * 256) * 44 + 16;
        const entries = this.#openChunk(bytes, 5, page, bytes.subarray(at, at + length));
        at += length;
        for (let entry = 0; entry < entries.length; entry += 44) {
          const id = entries.toString('hex', entry, entry + 32);
          const pack = entries.readUInt32LE(entry + 32);
          const place = {
            pack: table.toString('hex', pack * 32, pack * 32 + 32),
            offset: entries.readUInt32LE(entry + 36),
            word: entries.readUInt32LE(entry + 40),
          };
          this.#places.set(id, [...(this.#places.get(id) ?? []), place]);
        }
      }
    }
  }

  #blob(id: string, keyName: 'block' | 'node'): Buffer {
    for (const { pack, offset, word } of this.#places.get(id) ?? []) {
      const bytes = readFileSync(join(this.#root, 'packs', pack.slice(0, 2), pack));
      const stored = bytes.subarray(offset, offset + (word & 0xff_ffff));
      const body = this.#isEncrypted ? this.#openChunk(bytes, 1, offset, stored) : stored;
      const plain = (word & 0x4000_0000) !== 0 ? zstdDecompressSync(body) : body;
      if (keyed(this.#derived(`corral/${keyName}`), plain).toString('hex') === id) return plain;
    }
    throw new Error(`blob ${id}`);
  }

  #fill(disk: Buffer, id: string, level: number, firstBlock: number): void {
    if (id === zero) return;
    if (level < 0) {
      this.#blob(id, 'block').copy(disk, firstBlock * 65_536);
      return;
    }
    const node = this.#blob(id, 'node');
    if (node[0] !== level) throw new Error('level');
    for (let slot = 0; slot < 64; slot += 1) {
      const child = node.toString('hex', 1 + slot * 32, 33 + slot * 32);
      this.#fill(disk, child, level - 1, firstBlock + slot * 64 ** level);
    }
  }

  restore(point: string, disk: string): Buffer {
    const { disks } = this.#document(`points/${point}`) as unknown as {
      disks: { name: string; sizeBytes: number; root: string }[];
    };
    const found = disks.find(({ name }) => name === disk)!;
    const content = Buffer.alloc(found.sizeBytes);
    let height = 1;
    while (64 ** height < Math.ceil(found.sizeBytes / 65_536)) height += 1;
    this.#fill(content, found.root, height - 1, 0);
    return content;
  }

  #files(folder: string): string[] {
    try {
      return readdirSync(join(this.#root, folder));
    } catch {
      // A folder is made when the first object needs it.
      return [];
    }
  }
}

function keyed(key: Buffer, ...parts: Buffer[]): Buffer {
  const hasher = Blake3Hasher.newKeyed(key);
  for (const part of parts) hasher.update(Buffer.from(part));
  return hasher.digestBuffer();
}

function gcm(key: Buffer, nonce: Buffer, sealed: Buffer, associated: Buffer): Buffer | null {
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 });
  decipher.setAAD(associated);
  decipher.setAuthTag(sealed.subarray(-16));
  const plain = decipher.update(sealed.subarray(0, -16));
  try {
    decipher.final();
    return plain;
  } catch {
    // A tag that does not fit: another key's object.
    return null;
  }
}
