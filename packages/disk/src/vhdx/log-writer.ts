/**
 * Writing metadata through the log (docs/formats/vhdx.md, order of writes). One object stands for one opening of the file for
 * writing: it knows whether the headers were renewed and which generation of the log is in use.
 */
import type { BlockFile } from '../file.ts';
import { newGuid, zeroGuid } from './guid.ts';
import type { HeaderPair } from './header-pair.ts';
import { alignment, alignUp } from './limits.ts';
import { encodeEntry, entryLength, sectorsThatFit } from './log-entry.ts';
import type { ChangedSector } from './page-cache.ts';

interface Generation {
  readonly guid: string;
  /** Where the next entry goes. */
  at: number;
  sequence: bigint;
}

export interface LogTarget {
  /** Length that the file will have; less than now before it is cut (2.3.1.1). */
  readonly fileBytes: number;
}

export class LogWriter {
  readonly #file: BlockFile;
  readonly #headers: HeaderPair;
  readonly #scratch: boolean;
  #fileGuidRenewed = false;
  #dataGuidRenewed = false;
  #generation: Generation | undefined;

  constructor(file: BlockFile, headers: HeaderPair, scratch: boolean) {
    this.#file = file;
    this.#headers = headers;
    this.#scratch = scratch;
  }

  /** Whether the file was changed in this opening. */
  get begun(): boolean {
    return this.#fileGuidRenewed;
  }

  /** Must come before any change: renews FileWriteGuid, and DataWriteGuid before the first change that a guest can see. */
  async begin(change: { readonly visible: boolean }): Promise<void> {
    const fileWriteGuid = this.#fileGuidRenewed ? undefined : newGuid();
    const dataWriteGuid = change.visible && !this.#dataGuidRenewed ? newGuid() : undefined;
    if (fileWriteGuid === undefined && dataWriteGuid === undefined) return;
    if (!this.#scratch) await this.#renew(fileWriteGuid, dataWriteGuid);
    this.#fileGuidRenewed = true;
    if (change.visible) this.#dataGuidRenewed = true;
  }

  async #renew(fileWriteGuid: string | undefined, dataWriteGuid: string | undefined): Promise<void> {
    await this.#headers.update({
      ...(fileWriteGuid === undefined ? {} : { fileWriteGuid }),
      ...(dataWriteGuid === undefined ? {} : { dataWriteGuid }),
    });
    // Lengths in the log count in MiB (2.3.1.1); a file that someone cut elsewhere is rounded up.
    const length = alignUp(this.#file.length, alignment);
    if (this.#file.length !== length) await this.#file.truncate(length);
  }

  get #capacity(): number {
    return this.#headers.current.logLength;
  }

  /** How many sectors can change in one entry, that is, all or none of them after a crash. */
  get atomicSectors(): number {
    return sectorsThatFit(this.#capacity - entryLength(0));
  }

  /**
   * Makes the changes survive: everything written to the file before is flushed first. The sectors are written to their
   * places too, which the next call makes stable. After a crash the first n of them have happened for some n;
   * `atomic` demands all or none.
   */
  async commit(
    sectors: readonly ChangedSector[],
    target: LogTarget & { readonly atomic?: boolean },
  ): Promise<void> {
    if (this.#scratch) {
      await this.#apply(sectors);
      return;
    }
    let done = 0;
    do {
      await this.#file.sync();
      done += await this.#commitSome(sectors.slice(done), target);
    } while (done < sectors.length);
  }

  async #commitSome(
    sectors: readonly ChangedSector[],
    target: LogTarget & { readonly atomic?: boolean },
  ): Promise<number> {
    const fits = (): number => sectorsThatFit(this.#capacity - (this.#generation?.at ?? this.#capacity));
    const wanted = target.atomic ? sectors.length : Math.min(sectors.length, 1);
    if (!this.#generation || fits() < wanted || this.#capacity - this.#generation.at < entryLength(0)) {
      await this.#newGeneration(target);
    }
    if (fits() < wanted) throw new Error(`${sectors.length} sectors do not fit one log entry`);
    const batch = sectors.slice(0, fits());
    await this.#append(batch, target);
    await this.#apply(batch);
    return batch.length;
  }

  async #apply(sectors: readonly ChangedSector[]): Promise<void> {
    for (const run of contiguousRuns(sectors)) {
      await this.#file.writeVector(
        run.map((sector) => sector.bytes),
        run[0]!.fileOffset,
      );
    }
  }

  /** What was written before is stable. */
  async barrier(): Promise<void> {
    if (!this.#scratch) await this.#file.sync();
  }

  /** All entries so far are applied and stable: a new LogGuid makes them void and the log empty. */
  async #newGeneration(target: LogTarget): Promise<void> {
    const generation = { guid: newGuid(), at: 0, sequence: 1n };
    await this.#write(generation, [], target);
    await this.#headers.update({ logGuid: generation.guid });
    this.#generation = generation;
  }

  async #append(sectors: readonly ChangedSector[], target: LogTarget): Promise<void> {
    if (this.#generation) await this.#write(this.#generation, sectors, target);
  }

  async #write(generation: Generation, sectors: readonly ChangedSector[], target: LogTarget): Promise<void> {
    const { guid, at, sequence } = generation;
    const { fileBytes } = target;
    const entry = encodeEntry(
      {
        tail: at,
        sequenceNumber: sequence,
        logGuid: guid,
        flushedFileOffset: fileBytes,
        lastFileOffset: fileBytes,
      },
      sectors,
    );
    await this.#file.writeAll(entry, this.#headers.current.logOffset + at);
    await this.#file.sync();
    generation.at += entry.length;
    generation.sequence += 1n;
  }

  /** Marks the file clean. What was applied must be stable by then; the caller flushes first. */
  async end(): Promise<void> {
    if (this.#headers.current.logGuid !== zeroGuid) await this.#headers.update({ logGuid: zeroGuid });
    this.#generation = undefined;
  }
}

function contiguousRuns(sectors: readonly ChangedSector[]): readonly (readonly ChangedSector[])[] {
  const runs: ChangedSector[][] = [];
  for (const sector of sectors) {
    const run = runs.at(-1);
    const last = run?.at(-1);
    if (run && last && last.fileOffset + last.bytes.length === sector.fileOffset) run.push(sector);
    else runs.push([sector]);
  }
  return runs;
}
