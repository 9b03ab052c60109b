/**
 * Splits a stream of bytes into JSON values, one per line, as QMP and the guest agent send them
 * (QEMU's docs/interop/qmp-spec and qemu-ga-ref). Pure: bytes in, lines out.
 *
 * The sender may be hostile, so a line is bounded in length and in depth. What cannot be understood comes out
 * as garbage in its place; the splitter itself is in order again at the next line.
 *
 * A byte 0xFF, which no UTF-8 text contains, drops what was received of the present line: the guest agent
 * sends it before the answer to `guest-sync-delimited`, to part it from the rest of an older answer.
 */
import { isUtf8 } from 'node:buffer';

const NEWLINE = 0x0a;
const DELIMITER = 0xff;
const EXCERPT_BYTES = 80;

export type GarbageReason = 'too long' | 'nested too deeply' | 'not JSON';

export type JsonLine =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'garbage'; readonly reason: GarbageReason; readonly excerpt: string };

export interface JsonLineLimits {
  /** Longest line in bytes, without its end. */
  readonly maxBytes: number;
  /** How deep objects and arrays may lie in one another. */
  readonly maxDepth: number;
}

export class JsonLineSplitter {
  readonly #maxDepth: number;
  #maxBytes: number;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  /** The present line exceeded its length: the rest of it is dropped. */
  #skipping = false;

  constructor(limits: JsonLineLimits) {
    this.#maxBytes = limits.maxBytes;
    this.#maxDepth = limits.maxDepth;
  }

  /** Changes the longest line, for answers of known size. It counts from the next byte on. */
  setMaxBytes(maxBytes: number): void {
    this.#maxBytes = maxBytes;
  }

  /** Takes the next bytes, cut anywhere, and returns the lines that they complete. Keeps no reference to `chunk`. */
  push(chunk: Uint8Array): JsonLine[] {
    const lines: JsonLine[] = [];
    let start = 0;
    for (let index = 0; index < chunk.length; index += 1) {
      const byte = chunk[index];
      if (byte !== NEWLINE && byte !== DELIMITER) continue;
      this.#append(chunk.subarray(start, index), lines);
      start = index + 1;
      if (byte === NEWLINE) this.#endLine(lines);
      else this.#reset();
    }
    this.#append(chunk.subarray(start), lines);
    return lines;
  }

  #append(part: Uint8Array, lines: JsonLine[]): void {
    if (part.length === 0 || this.#skipping) return;
    if (this.#bytes + part.length > this.#maxBytes) {
      lines.push(garbage('too long', Buffer.concat([...this.#parts, part.subarray(0, EXCERPT_BYTES)])));
      this.#reset();
      this.#skipping = true;
      return;
    }
    this.#parts.push(Uint8Array.from(part));
    this.#bytes += part.length;
  }

  #endLine(lines: JsonLine[]): void {
    const line = Buffer.concat(this.#parts);
    const skipped = this.#skipping;
    this.#reset();
    if (!skipped && !isBlank(line)) lines.push(parseLine(line, this.#maxDepth));
  }

  #reset(): void {
    this.#parts = [];
    this.#bytes = 0;
    this.#skipping = false;
  }
}

function parseLine(line: Buffer, maxDepth: number): JsonLine {
  if (depth(line) > maxDepth) return garbage('nested too deeply', line);
  if (!isUtf8(line)) return garbage('not JSON', line);
  try {
    return { kind: 'value', value: JSON.parse(line.toString('utf8')) };
  } catch (cause) {
    if (cause instanceof SyntaxError) return garbage('not JSON', line);
    throw cause;
  }
}

function garbage(reason: GarbageReason, line: Buffer): JsonLine {
  return { kind: 'garbage', reason, excerpt: line.toString('latin1', 0, EXCERPT_BYTES) };
}

function isBlank(line: Uint8Array): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}

/** The deepest nesting of brackets and braces outside strings; right for valid JSON, an upper guess for the rest. */
function depth(line: Uint8Array): number {
  let deepest = 0;
  let present = 0;
  let inString = false;
  for (let index = 0; index < line.length; index += 1) {
    const byte = line[index];
    if (inString) {
      if (byte === 0x5c /* \ */) index += 1;
      else if (byte === 0x22 /* " */) inString = false;
    } else if (byte === 0x22) {
      inString = true;
    } else if (byte === 0x7b /* { */ || byte === 0x5b /* [ */) {
      present += 1;
      if (present > deepest) deepest = present;
    } else if (byte === 0x7d /* } */ || byte === 0x5d /* ] */) {
      present -= 1;
    }
  }
  return deepest;
}
