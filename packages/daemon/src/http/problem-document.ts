/** Errors → problem details (RFC 9457). What was not expected tells the client an id and no more. */
import { apiErrors } from '@corral/api/errors';
import type { Problem, ProblemCause } from '@corral/api/schemas/problem';
import { type CorralError, type ErrorParams, isCorralError } from '@corral/core/errors';
import { newId } from '@corral/core/ids';

export interface ProblemReply {
  readonly problem: Problem;
  /** What has to be logged: the error, under the problem's instance. Null when the client can help itself. */
  readonly unexpected: unknown;
}

/** What the errors of Fastify leave out. */
export interface RequestFacts {
  readonly mediaType: string | undefined;
  readonly bodyLimitBytes: number;
}

/** Fastify's own errors by their code; their messages name what is wrong with the request. */
const frameworkErrors: Readonly<Record<string, (message: string, facts: RequestFacts) => CorralError>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: (_, facts) =>
    apiErrors['payload-too-large']({ limitBytes: facts.bodyLimitBytes }),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: (_, { mediaType = 'none' }) =>
    apiErrors['unsupported-media-type']({ mediaType, expected: 'application/json' }),
  FST_ERR_CTP_INVALID_JSON_BODY: (reason) => apiErrors['malformed-json']({ reason }),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: (issue) => apiErrors['invalid-request']({ issues: [issue] }),
  FST_ERR_BAD_URL: (issue) => apiErrors['invalid-request']({ issues: [issue] }),
  FST_ERR_MAX_PARAM_LENGTH: (issue) => apiErrors['invalid-request']({ issues: [issue] }),
};

export function problemReply(thrown: unknown, facts: RequestFacts): ProblemReply {
  const error = expected(thrown, facts);
  if (error === null) {
    const id = newId();
    const problem = problemOf(apiErrors.unexpected({ id }));
    return { problem: { ...problem, instance: `urn:uuid:${id}` }, unexpected: thrown };
  }
  if (error.status < 500) return { problem: problemOf(error), unexpected: null };
  return { problem: { ...problemOf(error), instance: `urn:uuid:${newId()}` }, unexpected: error };
}

function expected(thrown: unknown, facts: RequestFacts): CorralError | null {
  if (isCorralError(thrown)) return thrown;
  if (thrown instanceof SyntaxError && 'statusCode' in thrown && thrown.statusCode === 400) {
    return apiErrors['malformed-json']({ reason: thrown.message });
  }
  if (!(thrown instanceof Error) || !('code' in thrown)) return null;
  // Fastify gives this status to a request that broke off, and to no connection of our own.
  if (thrown.code === 'ECONNRESET' && 'statusCode' in thrown && thrown.statusCode === 400) {
    return apiErrors['invalid-request']({ issues: ['it broke off before its body was whole'] });
  }
  return frameworkErrors[String(thrown.code)]?.(thrown.message, facts) ?? null;
}

export function problemOf(error: CorralError): Problem {
  const causes: ProblemCause[] = [];
  for (let cause = error.cause; isCorralError(cause); cause = cause.cause) causes.push(baseOf(cause));
  return { ...baseOf(error), ...(causes.length > 0 && { causes }) };
}

function baseOf(error: CorralError): ProblemCause {
  const { code, message, params, status, title } = error;
  return { type: typeOf(code), title, status, detail: message, code, params: copyParams(params) };
}

export function typeOf(code: string | null): string {
  return code === null ? 'about:blank' : `urn:corral:error:${code}`;
}

function copyParams(params: ErrorParams): Problem['params'] {
  return { ...params } as Problem['params'];
}
