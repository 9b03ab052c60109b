/** Checks the parts of a request against the contract's schemas and says in words what does not fit. */
import { apiErrors } from '@corral/api/errors';
import type { z } from 'zod';

type Issue = z.core.$ZodIssue;

/** More would not be read. */
const shownIssues = 10;

/** @throws api.invalid-request, which names each field */
export function parsePart(
  part: 'params' | 'query' | 'body',
  schema: z.ZodType | undefined,
  value: unknown,
): unknown {
  if (schema === undefined) {
    if (isEmpty(value)) return undefined;
    throw apiErrors['invalid-request']({ issues: [`${part}: this route takes none`] });
  }
  // The input tells a field that is missing from one of another type.
  const parsed = schema.safeParse(value === undefined ? {} : value, { reportInput: true });
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.flatMap((issue) => describeIssue(part, issue));
  throw apiErrors['invalid-request']({ issues: issues.slice(0, shownIssues) });
}

function isEmpty(value: unknown): boolean {
  return (
    value === undefined || value === null || (typeof value === 'object' && Object.keys(value).length === 0)
  );
}

/** How zod begins a message when the schema brings none of its own. */
const zodsOwnWords = /^(Invalid|Too (small|big)|Unrecognized)/;

function describeIssue(part: string, issue: Issue): string[] {
  const place = [part, ...issue.path.map(String)].join('.');
  if (!zodsOwnWords.test(issue.message)) return [`${place}: ${issue.message}`];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => `${place}.${key}: there is no such field`);
    case 'invalid_format':
      return [`${place}: must match ${issue.pattern ?? issue.format}`];
    case 'invalid_type':
      return [`${place}: ${issue.input === undefined ? 'is missing' : `must be ${article(issue.expected)}`}`];
    case 'invalid_value':
      return [`${place}: must be ${issue.values.map((value) => JSON.stringify(value)).join(' or ')}`];
    case 'too_small':
      return [`${place}: ${limit(issue.origin, 'at least', issue.minimum)}`];
    case 'too_big':
      return [`${place}: ${limit(issue.origin, 'at most', issue.maximum)}`];
    default:
      return [`${place}: ${issue.message}`];
  }
}

function article(type: string): string {
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}

function limit(origin: string, which: string, bound: number | bigint): string {
  switch (origin) {
    case 'string':
      return `must have ${which} ${bound} characters`;
    case 'array':
      return `must have ${which} ${bound} items`;
    default:
      return `must be ${which} ${bound}`;
  }
}
