/** Errors as they are stored, and back: an operation fails today and is asked about after a restart. */
import { CorralError, type ErrorParams, registeredErrors } from '@corral/core/errors';
import { operationErrors } from './errors.ts';
import type { Problem } from './operation.ts';

/** A chain of causes longer than this is cut: an error may be its own cause. */
const deepestCause = 8;

/** Any thrown value as a problem, with its causes. */
export function toProblem(thrown: unknown, depth = 0): Problem {
  const inner = thrown instanceof Error ? thrown.cause : undefined;
  const cause = inner === undefined || depth >= deepestCause ? null : toProblem(inner, depth + 1);
  if (thrown instanceof CorralError) {
    const { code, status, title, message, params } = thrown;
    return { code, status, title, message, params, cause };
  }
  const message = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  return { code: null, status: 500, title: 'Unexpected error', message, params: {}, cause };
}

/** The error again, with its code, status, title and message as they were, also when this version has no such code. */
export function fromProblem(problem: Problem): CorralError {
  const options = problem.cause ? { cause: fromProblem(problem.cause) } : {};
  if (problem.code === null) return operationErrors.unexpected({ message: problem.message }, options);
  const { status, title, message } = problem;
  const known = registeredErrors().get(problem.code);
  const definition = {
    status: known?.status ?? status,
    title: known?.title ?? title,
    message: () => message,
  };
  return new CorralError(problem.code, definition, problem.params as ErrorParams, options);
}
