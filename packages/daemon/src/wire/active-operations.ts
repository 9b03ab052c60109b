/** Operations under way, kept from what the engine tells: asked at every read of a VM, by the resource that they lock. */
import { finalStates, type OperationSnapshot } from '@corral/operation/operation';

export class ActiveOperations {
  readonly #byId = new Map<string, OperationSnapshot>();
  readonly #byTarget = new Map<string, OperationSnapshot>();

  note(operation: OperationSnapshot): void {
    const ended = finalStates.has(operation.state);
    if (ended) this.#byId.delete(operation.id);
    else this.#byId.set(operation.id, operation);
    for (const target of operation.targets) {
      if (!ended) this.#byTarget.set(target, operation);
      else if (this.#byTarget.get(target)?.id === operation.id) this.#byTarget.delete(target);
    }
  }

  on(target: string): OperationSnapshot | null {
    return this.#byTarget.get(target) ?? null;
  }

  /** How many are under way, by kind and state. One that is stuck is under way until somebody looks after it. */
  counts(): { readonly kind: string; readonly state: string; readonly count: number }[] {
    const groups = Map.groupBy(this.#byId.values(), ({ kind, state }) => `${kind} ${state}`);
    return [...groups.values()].map((group) => {
      const { kind, state } = group[0]!;
      return { kind, state, count: group.length };
    });
  }

  /** Ids of the resources of a kind, such as `vm`, that an operation holds. */
  busy(kind: string): Set<string> {
    const prefix = `${kind}/`;
    const targets = [...this.#byTarget.keys()].filter((target) => target.startsWith(prefix));
    return new Set(targets.map((target) => target.slice(prefix.length)));
  }
}
