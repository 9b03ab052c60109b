/** The kinds of operations that this daemon knows. Crash tests walk through all of them and their steps. */
import { operationErrors } from './errors.ts';
import type { RegisteredOperation } from './operation.ts';

export class OperationRegistry {
  readonly #kinds = new Map<string, RegisteredOperation>();

  /** @throws operation.bad-definition when there are two of a kind */
  constructor(operations: readonly RegisteredOperation[]) {
    for (const operation of operations) {
      const { kind } = operation;
      if (this.#kinds.has(kind))
        throw operationErrors['bad-definition']({ kind, detail: 'there are two of it' });
      this.#kinds.set(kind, operation);
    }
  }

  /** @throws operation.unknown-kind */
  get(kind: string): RegisteredOperation {
    const operation = this.#kinds.get(kind);
    if (!operation) throw operationErrors['unknown-kind']({ kind });
    return operation;
  }

  has(kind: string): boolean {
    return this.#kinds.has(kind);
  }

  list(): readonly RegisteredOperation[] {
    return [...this.#kinds.values()];
  }

  /** Every step of every kind: `{ kind, step }`. */
  steps(): readonly { readonly kind: string; readonly step: string }[] {
    return this.list().flatMap(({ kind, steps }) => steps.map(({ name }) => ({ kind, step: name })));
  }
}
