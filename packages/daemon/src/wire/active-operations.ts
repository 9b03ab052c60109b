/** Operations under way, by the resource that they lock: kept from what the engine tells, asked at every read of a VM. */
import { finalStates, type OperationSnapshot } from '@corral/operation/operation';

export class ActiveOperations {
  readonly #byTarget = new Map<string, OperationSnapshot>();

  note(operation: OperationSnapshot): void {
    for (const target of operation.targets) {
      const ended = finalStates.has(operation.state);
      if (!ended) this.#byTarget.set(target, operation);
      else if (this.#byTarget.get(target)?.id === operation.id) this.#byTarget.delete(target);
    }
  }

  on(target: string): OperationSnapshot | null {
    return this.#byTarget.get(target) ?? null;
  }

  /** Ids of the resources of a kind, such as `vm`, that an operation holds. */
  busy(kind: string): Set<string> {
    const prefix = `${kind}/`;
    const targets = [...this.#byTarget.keys()].filter((target) => target.startsWith(prefix));
    return new Set(targets.map((target) => target.slice(prefix.length)));
  }
}
