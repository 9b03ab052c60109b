/** Random histories on the store and on the model must be the same, to the revision. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import fc from 'fast-check';
import { checkTransaction } from '../check-transaction.ts';
import type { Compare, Lease, Transaction, TransactionStep } from '../store.ts';
import type { ConformanceOptions, OpenFixture, StoreFixture } from '../store-conformance.ts';
import { StoreModel, sortEvents } from './model.ts';
import { take } from './watch-tests.ts';

/** Few keys and values, so that conditions and prefixes meet them often. */
const key = fc.constantFrom('a', 'a/1', 'a/2', 'a/2/x', 'b', 'b/1');
const value = fc.constantFrom('', 'v', 'w');
const prefix = fc.constantFrom('', 'a', 'a/', 'a/2', 'b', 'c');

/** A condition that is resolved against the model when its turn comes: `age` 0 is the key's present revision. */
type Condition = Compare | { readonly key: string; readonly age: number };
type Step = TransactionStep | { readonly put: string; readonly value: string; readonly lease: number };

const condition: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({ key, age: fc.constantFrom(0, 0, 1) }),
  fc.record({ key, value }),
  fc.record({ key, exists: fc.constant(true as const) }),
  fc.record({ key, absent: fc.constant(true as const) }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ put: key, value }) },
  { weight: 1, arbitrary: fc.record({ put: key, value, lease: fc.nat(1) }) },
  { weight: 2, arbitrary: fc.record({ delete: key }) },
  { weight: 1, arbitrary: fc.record({ deletePrefix: prefix }) },
  { weight: 1, arbitrary: fc.record({ get: key }) },
);
const branch = fc.array(step, { maxLength: 4 });

const action = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('transact' as const),
      if: fc.array(condition, { maxLength: 2 }),
      then: branch,
      else: branch,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('revoke' as const), lease: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const), age: fc.nat(5) }) },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

/** The store beside its model, and the leases of the run. */
class Trial {
  readonly #fixture: StoreFixture;
  readonly model: StoreModel;
  readonly #leases: (Lease | undefined)[] = [];

  constructor(fixture: StoreFixture, revision: number) {
    this.#fixture = fixture;
    this.model = new StoreModel(revision);
  }

  async act(next: Action): Promise<void> {
    if (next.do === 'transact') await this.#transact(next);
    else if (next.do === 'revoke') await this.#revoke(next.lease);
    else await this.#compact(next.age);
  }

  async release(): Promise<void> {
    for (const lease of this.#leases) await lease?.revoke();
  }

  async #transact(next: Action & { do: 'transact' }): Promise<void> {
    const transaction: Transaction = {
      compare: next.if.map((condition) => this.#resolve(condition)),
      then: await this.#steps(next.then),
      else: await this.#steps(next.else),
    };
    const { store } = this.#fixture;
    if (!allowed(transaction)) {
      await assert.rejects(store.transact(transaction), (e) => isCorralError(e, 'store.bad-request'));
      return;
    }
    const before = this.model.revision;
    const result = await store.transact(transaction);
    const expected = this.model.transact(transaction, result.revision);
    assert.deepEqual([result.succeeded, result.entries], [expected.succeeded, expected.entries]);
    assert.equal(result.changes > 0, expected.changed);
    assert.equal(result.revision > before, expected.changed);
  }

  async #revoke(index: number): Promise<void> {
    const lease = this.#leases[index];
    if (!lease) return;
    this.#leases[index] = undefined;
    await lease.revoke();
    this.model.endLease(lease.id, await this.#fixture.store.revision());
  }

  async #compact(age: number): Promise<void> {
    const { revisions } = this.model;
    const revision = revisions[Math.max(0, revisions.length - 1 - age)]!;
    await this.#fixture.store.compact(revision);
    this.model.compactedRevision = Math.max(this.model.compactedRevision, revision);
  }

  #resolve(condition: Condition): Compare {
    if (!('age' in condition)) return condition;
    const present = this.model.state.get(condition.key)?.modRevision ?? this.model.revision;
    return { key: condition.key, modRevision: present - condition.age };
  }

  async #steps(steps: readonly Step[]): Promise<TransactionStep[]> {
    const resolved: TransactionStep[] = [];
    for (const step of steps) {
      if (!('lease' in step)) resolved.push(step);
      else resolved.push({ put: step.put, value: step.value, leaseId: (await this.#lease(step.lease)).id });
    }
    return resolved;
  }

  async #lease(index: number): Promise<Lease> {
    this.#leases[index] ??= await this.#fixture.store.grantLease(3_600_000);
    return this.#leases[index];
  }
}

function allowed(transaction: Transaction): boolean {
  try {
    checkTransaction(transaction);
    return true;
  } catch (e) {
    if (isCorralError(e, 'store.bad-request')) return false;
    throw e;
  }
}

async function checkState(fixture: StoreFixture, model: StoreModel): Promise<void> {
  for (const prefix of ['', 'a', 'a/', 'b/']) {
    const { entries } = await fixture.store.list(prefix);
    assert.deepEqual(entries, model.list(prefix));
  }
}

/** From every revision the history was at, each prefix: the model's batches, and after them only what comes next. */
async function checkHistory(
  fixture: StoreFixture,
  model: StoreModel,
  from: readonly number[],
): Promise<void> {
  for (const afterRevision of from) {
    for (const prefix of ['', 'a/', 'b']) {
      if (afterRevision < model.compactedRevision) {
        const refused = take(fixture.store, prefix, afterRevision, 1);
        await assert.rejects(refused, (e) => isCorralError(e, 'store.compacted'));
        continue;
      }
      const expected = model.history(prefix, afterRevision);
      const batches = await take(fixture.store, prefix, afterRevision, expected.length);
      const sorted = batches.map(({ revision, events }) => ({ revision, events: sortEvents(events) }));
      assert.deepEqual(sorted, expected);
    }
  }
}

export function propertyTests(open: OpenFixture, options: ConformanceOptions): void {
  const settings = {
    numRuns: options.runs,
    interruptAfterTimeLimit: options.limitMs,
    markInterruptAsFailure: true,
  };
  const timeout = options.limitMs * 2;

  describe('properties', () => {
    test('random transactions have the results, states and histories of the model', { timeout }, async () => {
      const property = fc.asyncProperty(
        fc.array(action, { maxLength: 25 }),
        fc.nat(),
        async (actions, pick) => {
          await using fixture = await open();
          const trial = new Trial(fixture, await fixture.store.revision());
          for (const next of actions) await trial.act(next);
          await checkState(fixture, trial.model);
          const { revisions } = trial.model;
          await checkHistory(fixture, trial.model, [revisions[0]!, revisions[pick % revisions.length]!]);
          await trial.release();
        },
      );
      await fc.assert(property, settings);
    });

    test('a watch that runs beside them gets the history of the model, once, in order', {
      timeout,
    }, async () => {
      const plain = fc.array(
        action.filter((next) => next.do !== 'compact'),
        { maxLength: 25 },
      );
      const property = fc.asyncProperty(plain, fc.constantFrom('', 'a', 'a/'), async (actions, prefix) => {
        await using fixture = await open();
        const start = await fixture.store.revision();
        const trial = new Trial(fixture, start);
        const seen: unknown[] = [];
        const end = 'a/the-end';
        const watching = (async () => {
          for await (const { revision, events } of fixture.store.watch(prefix, { afterRevision: start })) {
            if (events.some((event) => event.type === 'put' && event.entry.key === end)) return;
            seen.push({ revision, events: sortEvents(events) });
          }
        })();
        for (const next of actions) await trial.act(next);
        await fixture.store.transact({ then: [{ put: end, value: '' }] });
        await watching;
        assert.deepEqual(seen, trial.model.history(prefix, start));
        await trial.release();
      });
      await fc.assert(property, settings);
    });
  });
}
