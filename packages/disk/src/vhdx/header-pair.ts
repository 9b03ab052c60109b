/** The two header slots of a file that is being written ([MS-VHDX] 2.2.2.1). */
import type { BlockFile } from '../file.ts';
import { type CurrentHeader, encodeHeader, headerOffsets, type VhdxHeader } from './header.ts';

export type HeaderChange = Partial<Pick<VhdxHeader, 'fileWriteGuid' | 'dataWriteGuid' | 'logGuid'>>;

export class HeaderPair {
  readonly #file: BlockFile;
  #current: VhdxHeader;
  #slot: 0 | 1;

  constructor(file: BlockFile, current: CurrentHeader) {
    this.#file = file;
    this.#current = current.header;
    this.#slot = current.slot;
  }

  get current(): VhdxHeader {
    return this.#current;
  }

  /**
   * Writes the change into the slot that is not current, flushes, and does the same for the other slot, so that the loss of either
   * header leaves the file as it is now.
   */
  async update(change: HeaderChange): Promise<void> {
    await this.#writeOther(change);
    await this.#writeOther({});
  }

  async #writeOther(change: HeaderChange): Promise<void> {
    const slot = this.#slot === 0 ? 1 : 0;
    const header = { ...this.#current, ...change, sequenceNumber: this.#current.sequenceNumber + 1n };
    await this.#file.writeAll(encodeHeader(header), headerOffsets[slot]);
    await this.#file.sync();
    this.#current = header;
    this.#slot = slot;
  }
}
