/** An error that the daemon answered with (RFC 9457), as the client throws it. */
import type { Problem, ProblemCause } from './schemas/problem.ts';

export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly status: number;
  /** From docs/errors.md; null for an error that was not expected. */
  readonly code: string | null;
  readonly title: string;
  readonly params: Problem['params'];
  /** What it came from, nearest first. */
  readonly causes: readonly ProblemCause[];
  /** What the daemon logged it under. */
  readonly instance: string | null;

  constructor(problem: Problem) {
    super(problem.detail);
    this.status = problem.status;
    this.code = problem.code;
    this.title = problem.title;
    this.params = problem.params;
    this.causes = problem.causes ?? [];
    this.instance = problem.instance ?? null;
  }
}

export function isApiProblem(value: unknown, code?: string): value is ApiProblem {
  return value instanceof ApiProblem && (code === undefined || value.code === code);
}
