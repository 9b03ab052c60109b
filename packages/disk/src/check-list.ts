/** Collects what a check finds, bounded in memory however damaged the file is. */
import type { CheckProblem, CheckReport, DiskFormat, ProblemKind } from './disk.ts';

const maxListed = 1000;

interface Finding {
  readonly kind: ProblemKind;
  readonly message: string;
  readonly fileOffset: number | undefined;
  readonly repairable: boolean;
}

export interface FindingOptions {
  readonly fileOffset?: number | undefined;
  /** `repair` can set this right. Leaks always can be. */
  readonly repairable?: boolean | undefined;
}

export class CheckList {
  readonly #findings: Finding[] = [];
  #count = 0;
  #unrepairable = 0;
  #repairable = 0;
  leakedBytes = 0;
  allocatedBytes = 0;

  add(kind: ProblemKind, message: string, options: FindingOptions = {}): void {
    const repairable = options.repairable ?? kind === 'leak';
    this.#count += 1;
    if (repairable) this.#repairable += 1;
    else if (kind === 'corruption') this.#unrepairable += 1;
    if (this.#findings.length < maxListed) {
      this.#findings.push({ kind, message, fileOffset: options.fileOffset, repairable });
    }
  }

  /** The file's structure can be trusted, so that a repair knows what is right. */
  get sound(): boolean {
    return this.#unrepairable === 0;
  }

  get needsRepair(): boolean {
    return this.#repairable > 0;
  }

  report(format: DiskFormat, repaired: boolean): CheckReport {
    const problems = this.#findings.map(({ kind, message, fileOffset, repairable }): CheckProblem => {
      const place = fileOffset === undefined ? {} : { fileOffset };
      return { kind, message, ...place, repaired: repaired && repairable };
    });
    return {
      format,
      ok: this.sound && (repaired || !this.needsRepair),
      problems,
      problemCount: this.#count,
      leakedBytes: repaired ? 0 : this.leakedBytes,
      allocatedBytes: this.allocatedBytes,
    };
  }
}
