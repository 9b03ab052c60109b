/**
 * zstd for many small pieces, with one context for all of them. `zstdCompressSync` makes a stream and a context for each
 * call: that is half of the time of packing a block and three quarters of that of unpacking one, and leaves memory outside
 * the heap that nothing but a full collection frees. Node keeps contexts in the handles of its streams alone (minizlib, below
 * npm's own tar, reaches for them too). A handle is tried when it is made; where it is not as it should be, the documented
 * calls do the work, to the same bytes.
 */
import {
  constants,
  createZstdCompress,
  createZstdDecompress,
  zstdCompressSync,
  zstdDecompressSync,
} from 'node:zlib';
import { isWholeFrame } from './zstd-frame.ts';

const params = { [constants.ZSTD_c_compressionLevel]: 1 };
/** ZSTD_COMPRESSBOUND of a block is less than this above it. */
const outputMargin = 1024;

/** `lib/zlib.js` and `node_zlib.cc` of Node. */
interface Handle {
  writeSync(
    flush: number,
    input: Uint8Array,
    inputOffset: number,
    inputLength: number,
    output: Uint8Array,
    outputOffset: number,
    outputLength: number,
  ): void;
  reset(): void;
  onerror: (message: string) => void;
}

interface Stream {
  readonly _handle?: Handle | null;
  /** Room left in the output, bytes left of the input. */
  readonly _writeState?: Uint32Array;
}

class Context {
  /** As long as it lives, its handle is open. */
  readonly stream: object;
  readonly #handle: Handle;
  readonly #state: Uint32Array;
  #failed = false;

  private constructor(stream: object, handle: Handle, state: Uint32Array) {
    this.stream = stream;
    this.#handle = handle;
    this.#state = state;
    handle.onerror = () => {
      this.#failed = true;
    };
  }

  static of(stream: object): Context | null {
    const { _handle: handle, _writeState: state } = stream as Stream;
    const isUsable =
      typeof handle?.writeSync === 'function' &&
      typeof handle.reset === 'function' &&
      state instanceof Uint32Array;
    return isUsable ? new Context(stream, handle, state) : null;
  }

  /** One frame. Says how many bytes `output` got, or null if it failed, or either is not used up as it should be. */
  run(input: Uint8Array, output: Buffer): number | null {
    this.#failed = false;
    const flush = constants.ZSTD_e_end;
    this.#handle.writeSync(flush, input, 0, input.length, output, 0, output.length);
    const [roomLeft, inputLeft] = this.#state as unknown as [number, number];
    return this.#failed || inputLeft > 0 || roomLeft === 0 ? null : output.length - roomLeft;
  }

  /** A frame that was cut short must not go on in the next. Of a compressor it would put the level back to zstd's own. */
  reset(): void {
    this.#handle.reset();
  }
}

/** Results are in memory that the next call uses again. */
export class Zstd {
  readonly #largest: number;
  readonly #output: Buffer;
  #compressor: Context | null;
  #decompressor: Context | null;

  /** @param largest most bytes of a piece. @param useContexts false: the documented calls alone */
  constructor(largest: number, useContexts = true) {
    this.#largest = largest;
    this.#output = Buffer.allocUnsafeSlow(largest + outputMargin);
    this.#compressor = useContexts ? Context.of(createZstdCompress({ params })) : null;
    this.#decompressor = useContexts ? Context.of(createZstdDecompress()) : null;
    if (useContexts && !this.#isTrue()) {
      this.#compressor = null;
      this.#decompressor = null;
    }
  }

  /** False: this Node's are not as they should be, and the work takes twice the time. */
  get usesContexts(): boolean {
    return this.#compressor !== null && this.#decompressor !== null;
  }

  compress(plain: Uint8Array): Buffer {
    const length = this.#compressor?.run(plain, this.#output) ?? null;
    if (length !== null) return this.#output.subarray(0, length);
    if (this.#compressor) this.#compressor = Context.of(createZstdCompress({ params }));
    const chunkSize = this.#largest + outputMargin;
    return zstdCompressSync(plain, { params, pledgedSrcSize: plain.length, chunkSize });
  }

  /**
   * Null if it is damaged, or unpacks to more than `limit`: a bomb stops there.
   *
   * @param target where the content may be put, more than `limit` bytes
   */
  decompress(packed: Buffer, limit: number, target: Buffer = this.#output): Buffer | null {
    if (!this.#decompressor) return decompressOnce(packed, limit);
    // One byte more than there may be tells what is too large.
    const length = this.#decompressor.run(packed, target.subarray(0, limit + 1));
    if (length === null) {
      // A context that failed once fails for ever.
      this.#decompressor = Context.of(createZstdDecompress());
      return null;
    }
    // After a whole frame it begins a new one by itself; a reset takes as long as a third of a block's unpacking.
    if (!isWholeFrame(packed)) this.#decompressor.reset();
    return target.subarray(0, length);
  }

  /** Whether this Node's handles do what the documented calls do. */
  #isTrue(): boolean {
    const plain = Buffer.alloc(Math.min(1000, this.#largest), 'is it so? ');
    for (let time = 0; time < 2; time += 1) {
      const packed = Buffer.from(this.compress(plain));
      if (!zstdDecompressSync(packed).equals(plain)) return false;
      if (!this.decompress(packed, plain.length)?.equals(plain)) return false;
      if (this.decompress(packed.subarray(0, -1), plain.length)?.equals(plain)) return false;
    }
    return true;
  }
}

function decompressOnce(packed: Uint8Array, limit: number): Buffer | null {
  try {
    return zstdDecompressSync(packed, { maxOutputLength: limit, chunkSize: limit });
  } catch {
    // Damaged or larger than it may be: both are damage to the caller.
    return null;
  }
}
