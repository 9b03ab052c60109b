/** The one place that turns what went wrong into words on standard error and an exit code. */
import { isApiProblem } from '@corral/api/api-problem';
import type { Problem, ProblemCause } from '@corral/api/schemas/problem';
import { CorralError } from '@corral/core/errors';
import { exitCodeOf, exitCodes } from './exit-codes.ts';
import type { OutputFormat } from './global-options.ts';
import type { Paint } from './render/paint.ts';
import { printableLines } from './render/printable.ts';

export interface ErrorReport {
  readonly exitCode: number;
  /** For standard error, whole lines; empty when there is nothing to say. */
  readonly text: string;
}

/** Whether what reads our output went away; it wants no more, and there is nobody to tell. */
function isClosedOutput(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'EPIPE' && 'syscall' in cause;
}

export function reportError(cause: unknown, format: OutputFormat, paint: Paint): ErrorReport {
  if (isClosedOutput(cause)) return { exitCode: exitCodes.outputClosed.code, text: '' };
  const problem = problemOf(cause);
  const text = format === 'json' ? `${JSON.stringify(problem)}\n` : forPeople(problem, paint);
  return { exitCode: exitCodeOf(problem), text };
}

function forPeople(problem: Problem, paint: Paint): string {
  const code = problem.code === null ? '' : ` ${paint(`[${problem.code}]`, 'dim')}`;
  const lines = [`${paint('error:', 'bad')} ${printableLines(problem.detail)}${code}`];
  for (const { detail } of problem.causes ?? []) lines.push(`  caused by: ${printableLines(detail)}`);
  if (problem.instance !== undefined) lines.push(`  the daemon's log has more under ${problem.instance}`);
  return `${lines.join('\n')}\n`;
}

/** Problem details (RFC 9457) of any error, in the form in which the daemon sends its own. */
export function problemOf(cause: unknown): Problem {
  const causes = causesOf(cause);
  const instance = isApiProblem(cause) ? cause.instance : null;
  return {
    ...briefly(cause),
    ...(instance !== null && { instance }),
    ...(causes.length > 0 && { causes }),
  };
}

function briefly(cause: unknown): ProblemCause {
  if (cause instanceof CorralError || isApiProblem(cause)) {
    const { title, status, code, params, message } = cause;
    const type = code === null ? 'about:blank' : `urn:corral:error:${code}`;
    return { type, title, status, detail: message, code, params: params as ProblemCause['params'] };
  }
  return {
    type: 'about:blank',
    title: 'Unexpected error',
    status: 500,
    detail: cause instanceof Error ? cause.message : String(cause),
    code: null,
    params: {},
  };
}

/** What lies under the error, nearest first. An errno in a cause is said by the message above it already. */
function causesOf(cause: unknown): ProblemCause[] {
  if (isApiProblem(cause)) return [...cause.causes];
  const causes: ProblemCause[] = [];
  let under = cause instanceof Error ? cause.cause : undefined;
  while (under instanceof Error && causes.length < 16) {
    if (under instanceof CorralError || isApiProblem(under)) causes.push(briefly(under));
    under = under.cause;
  }
  return causes;
}
