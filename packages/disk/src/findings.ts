/** What a check finds, counted and kept up to a bound. */
import type { CheckProblem, ProblemKind } from './disk.ts';

const maxProblems = 1000;

export class Findings {
  readonly problems: CheckProblem[] = [];
  #count = 0;
  #unrepaired = 0;

  add(
    kind: ProblemKind,
    message: string,
    more: { readonly fileOffset?: number; readonly repaired?: boolean } = {},
  ): void {
    const { fileOffset, repaired = false } = more;
    this.#count += 1;
    if (kind !== 'note' && !repaired) this.#unrepaired += 1;
    if (this.problems.length < maxProblems) this.problems.push({ kind, message, fileOffset, repaired });
  }

  get count(): number {
    return this.#count;
  }

  /** Nothing to repair is left. */
  get ok(): boolean {
    return this.#unrepaired === 0;
  }
}
