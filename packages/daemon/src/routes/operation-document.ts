/** An operation as the engine keeps it → as the API shows it. */
import type { Operation } from '@corral/api/schemas/operation';
import type { Problem, ProblemCause } from '@corral/api/schemas/problem';
import type { OperationSnapshot, Problem as StoredProblem } from '@corral/operation/operation';
import { typeOf } from '../http/problem-document.ts';

export function operationDocument(snapshot: OperationSnapshot): Operation {
  const { owner, title, targets, steps, error, undoError, ...rest } = snapshot;
  return {
    ...rest,
    name: title,
    node: owner,
    targets: [...targets],
    steps: steps.map((step) => ({ ...step })),
    error: error && problemDocument(error),
    undoError: undoError && problemDocument(undoError),
  };
}

function problemDocument(problem: StoredProblem): Problem {
  const causes: ProblemCause[] = [];
  for (let cause = problem.cause; cause; cause = cause.cause) causes.push(baseOf(cause));
  return { ...baseOf(problem), ...(causes.length > 0 && { causes }) };
}

function baseOf({ code, message, params, status, title }: StoredProblem): ProblemCause {
  return {
    type: typeOf(code),
    title,
    status,
    detail: message,
    code,
    params: params as ProblemCause['params'],
  };
}
