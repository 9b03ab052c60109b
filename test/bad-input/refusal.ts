/** What stood against a request: at once, or, when it was taken up as an operation, while it was being done. */
import assert from 'node:assert/strict';
import { isApiProblem } from '@corral/api/api-problem';
import type { Client } from '@corral/api/client.gen';
import type { Operation } from '@corral/api/schemas/operation';
import { ended } from '../support/operations.ts';

export interface Refusal {
  readonly code: string | null;
  readonly detail: string;
}

export async function refusalOf(client: Client, begun: Promise<Operation>): Promise<Refusal> {
  try {
    const operation = await ended(client, await begun);
    assert.equal(operation.state, 'failed', `"${operation.name}" was to be refused`);
    return { code: operation.error?.code ?? null, detail: operation.error?.detail ?? '' };
  } catch (cause) {
    if (isApiProblem(cause)) return { code: cause.code, detail: cause.message };
    throw cause;
  }
}
