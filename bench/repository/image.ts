/** A disk image of mixed content, the same for every run: a quarter zeros, a quarter random, half files that compress. */
import { createCipheriv } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';

const blockBytes = 65_536;
const pieceBlocks = 16;

/** A stream of bytes that does not compress, from a seed. */
class RandomBytes {
  readonly #cipher: ReturnType<typeof createCipheriv>;

  constructor(seed: number) {
    this.#cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16));
  }

  next(length: number): Buffer {
    return this.#cipher.update(Buffer.alloc(length));
  }
}

export async function makeImage(path: string, sizeBytes: number): Promise<void> {
  // A program is what most of a system disk consists of.
  const program = await readFile(process.execPath);
  const random = new RandomBytes(1);
  await using file = await open(path, 'w');
  await file.truncate(sizeBytes);
  for (let block = 0; block < sizeBytes / blockBytes; block += pieceBlocks) {
    const kind = Math.floor(block / pieceBlocks) % 4;
    const length = Math.min(pieceBlocks * blockBytes, sizeBytes - block * blockBytes);
    if (kind === 0) continue;
    const data = kind === 1 ? random.next(length) : programPiece(program, block, length);
    await file.write(data, 0, length, block * blockBytes);
  }
}

/** A piece of the program, made unique in every 4 KiB: a disk holds few files twice. */
function programPiece(program: Buffer, block: number, length: number): Buffer {
  const data = Buffer.alloc(length);
  const start = (block * blockBytes) % (program.length - length);
  program.copy(data, 0, start, start + length);
  for (let at = 0; at < length; at += 4096) data.writeDoubleLE(block * blockBytes + at, at);
  return data;
}

/** Overwrites `count` blocks scattered over the image with random data and says where they are. */
export async function changeImage(
  path: string,
  sizeBytes: number,
  count: number,
  seed: number,
): Promise<number[]> {
  const random = new RandomBytes(seed);
  const blocks = new Set<number>();
  while (blocks.size < count) blocks.add(random.next(4).readUInt32LE() % Math.floor(sizeBytes / blockBytes));
  await using file = await open(path, 'r+');
  for (const block of blocks) await file.write(random.next(blockBytes), 0, blockBytes, block * blockBytes);
  return [...blocks].sort((a, b) => a - b);
}
