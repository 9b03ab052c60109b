/** Problem details, RFC 9457, with Corral's registry behind them. */
import { z } from 'zod';

const ProblemBase = z.strictObject({
  type: z.string().describe('urn:corral:error:CODE, or about:blank without a code'),
  title: z.string().describe('the same for each occurrence'),
  status: z.int().min(400).max(599),
  detail: z.string().describe('this occurrence: names the thing and the fix'),
  code: z.string().nullable().describe('from docs/errors.md; null for an error that was not expected'),
  params: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string()), z.null()]))
    .describe('the values that the detail is made of'),
});

/** What an error came from. Flat, outermost first: a client need not walk a tree. */
export const ProblemCause = ProblemBase;

export const Problem = ProblemBase.extend({
  instance: z.string().optional().describe('of this one answer: what the daemon logged it under'),
  causes: z.array(ProblemCause).optional().describe('what it came from, nearest first'),
});

export type Problem = z.infer<typeof Problem>;
export type ProblemCause = z.infer<typeof ProblemCause>;
