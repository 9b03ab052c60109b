/**
 * Metadata of a file in pages: read when needed, changed in memory, written by whoever takes the changed sectors
 * (the log). Changed pages stay until then; of the others the most recently used are kept.
 */
import { Buffer } from 'node:buffer';
import type { SignalOptions } from '../disk.ts';
import type { BlockFile } from '../file.ts';
import { isZero } from '../zeros.ts';
import { KiB, logSectorBytes } from './limits.ts';

export const pageBytes = 64 * KiB;
/** 16 MiB. */
const maxCleanPages = 256;

export interface Page {
  readonly fileOffset: number;
  readonly bytes: Buffer;
  /** Whole page of zeros, known when it was read and not changed since: scans of sparse tables skip it. */
  isZero: boolean;
  /** Bit n: its n-th sector of 4 KiB was changed. */
  changedSectors: number;
}

export interface ChangedSector {
  readonly fileOffset: number;
  readonly bytes: Buffer;
}

export class PageCache {
  readonly #file: BlockFile;
  /** In the order of their last use. */
  readonly #pages = new Map<number, Page>();
  readonly #loading = new Map<number, Promise<Page>>();
  #changed = new Map<number, Page>();

  constructor(file: BlockFile) {
    this.#file = file;
  }

  /** The page that holds `fileOffset`, a place that the caller has checked; what lies behind the file is zero. */
  async page(fileOffset: number, options: SignalOptions = {}): Promise<Page> {
    return this.cached(fileOffset) ?? (await this.#load(fileOffset - (fileOffset % pageBytes), options));
  }

  /** The page if it is in memory, so that hot paths need not wait. */
  cached(fileOffset: number): Page | undefined {
    const at = fileOffset - (fileOffset % pageBytes);
    // A changed page may have left the others and been read again since: the changed one rules.
    const page = this.#changed.get(at) ?? this.#pages.get(at);
    if (!page) return undefined;
    this.#pages.delete(at);
    this.#pages.set(at, page);
    return page;
  }

  #load(at: number, options: SignalOptions): Promise<Page> {
    const running = this.#loading.get(at);
    if (running) return running;
    const load = this.#read(at, options).finally(() => this.#loading.delete(at));
    this.#loading.set(at, load);
    return load;
  }

  async #read(at: number, options: SignalOptions): Promise<Page> {
    const bytes = Buffer.alloc(pageBytes);
    await this.#file.readPadded(bytes, at, options);
    const page = { fileOffset: at, bytes, isZero: isZero(bytes), changedSectors: 0 };
    this.#keep(page);
    return page;
  }

  #keep(page: Page): void {
    this.#pages.set(page.fileOffset, page);
    if (this.#pages.size <= maxCleanPages) return;
    const oldest = this.#pages.keys().next().value;
    if (oldest !== undefined) this.#pages.delete(oldest);
  }

  /** Notes that bytes of the page were changed. */
  touch(page: Page, offset: number, length: number): void {
    const first = Math.floor(offset / logSectorBytes);
    const last = Math.floor((offset + length - 1) / logSectorBytes);
    for (let sector = first; sector <= last; sector += 1) page.changedSectors |= 1 << sector;
    page.isZero = false;
    this.#changed.set(page.fileOffset, page);
  }

  /** Changes bytes that may run over several pages. */
  async write(fileOffset: number, bytes: Uint8Array, options: SignalOptions = {}): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const page = await this.page(fileOffset + done, options);
      const inPage = fileOffset + done - page.fileOffset;
      const length = Math.min(bytes.length - done, pageBytes - inPage);
      page.bytes.set(bytes.subarray(done, done + length), inPage);
      this.touch(page, inPage, length);
      done += length;
    }
  }

  get changedCount(): number {
    let count = 0;
    for (const page of this.#changed.values()) {
      for (let bits = page.changedSectors; bits !== 0; bits &= bits - 1) count += 1;
    }
    return count;
  }

  /** Changed sectors in the order of the file. The buffers are the live pages: take what you need before others change them. */
  changes(): readonly ChangedSector[] {
    const pages = [...this.#changed.values()].sort((a, b) => a.fileOffset - b.fileOffset);
    return pages.flatMap((page) =>
      Array.from({ length: pageBytes / logSectorBytes }, (_, sector) => sector)
        .filter((sector) => (page.changedSectors & (1 << sector)) !== 0)
        .map((sector) => ({
          fileOffset: page.fileOffset + sector * logSectorBytes,
          bytes: page.bytes.subarray(sector * logSectorBytes, (sector + 1) * logSectorBytes),
        })),
    );
  }

  /** All changes are in the file. */
  settle(): void {
    for (const page of this.#changed.values()) {
      page.changedSectors = 0;
      this.#keep(page);
    }
    this.#changed = new Map();
  }

  /** Forgets pages of a range that was given to another use; changes in it are void. */
  forget(fileOffset: number, length: number): void {
    for (const pages of [this.#pages, this.#changed]) {
      for (const at of pages.keys()) if (at >= fileOffset && at < fileOffset + length) pages.delete(at);
    }
  }
}
