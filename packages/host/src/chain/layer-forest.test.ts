import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DiskLayer } from '@corral/api/schemas/vm-settings';
import fc from 'fast-check';
import { orphanedBy } from '../testing/orphaned-by.ts';
import { type Chain, type Merge, withMerged } from './chain.ts';
import { type ChainHolder, layerForest, planMerges } from './layer-forest.ts';

const layer = (id: string, shared = false): DiskLayer => ({
  id,
  path: `${id}.qcow2`,
  format: 'qcow2',
  shared,
  seal: null,
});
const chain = (...ids: string[]): Chain => ids.map((id) => layer(id));
const present = (held: Chain): ChainHolder => ({ name: 'the present', needs: 'present', chain: held });
const state = (held: Chain): ChainHolder => ({ name: 'a checkpoint', needs: 'state', chain: held });
const files = (held: Chain): ChainHolder => ({ name: 'a backup', needs: 'files', chain: held });
const off = { running: false, tracked: false };
const running = { running: true, tracked: false };

function planned(holders: readonly ChainHolder[], conditions = off): string[] {
  return planMerges(holders, conditions).map(({ upper, lower }) => `${upper.id}>${lower.id}`);
}

describe('what is merged', () => {
  it('is a layer that nobody needs and on which one other lies', () => {
    assert.deepEqual(planned([present(chain('c', 'b', 'a'))]), ['b>a', 'c>b']);
    assert.deepEqual(planned([present(chain('c', 'b', 'a')), state(chain('b', 'a'))]), ['b>a']);
    assert.deepEqual(planned([present(chain('c', 'b', 'a')), state(chain('a'))]), ['c>b']);
  });

  it('is never the top of a VM that runs, or of one that is tracked', () => {
    assert.deepEqual(planned([present(chain('b', 'a'))], running), []);
    assert.deepEqual(planned([present(chain('b', 'a'))], { running: false, tracked: true }), []);
    assert.deepEqual(planned([present(chain('c', 'b', 'a'))], running), ['b>a']);
  });

  it('is not what several branches stand on, until one of them is left', () => {
    const branches = [present(chain('d', 'b', 'a')), state(chain('c', 'b', 'a')), state(chain('a'))];
    assert.deepEqual(planned(branches), []);
    assert.deepEqual(planned([branches[0]!, branches[2]!]), ['d>b']);
  });

  it('is nothing that a pin holds, and nothing of an image', () => {
    assert.deepEqual(planned([present(chain('d', 'c', 'b', 'a')), files(chain('b', 'a'))], running), []);
    const linked = [...chain('c', 'b'), layer('image', true)];
    assert.deepEqual(planned([present(linked)]), ['c>b']);
    assert.deepEqual(planned([present(linked.slice(1))]), []);
  });
});

it('contradictions are named', () => {
  const holders = [present(chain('c', 'b', 'a')), state(chain('b'))];
  assert.throws(() => layerForest(holders), { code: 'chain.contradiction' });
});

it('what is let go of and held by nobody else is an orphan', () => {
  const gone = [...chain('c', 'b', 'a'), layer('image', true)];
  assert.deepEqual(orphanedBy(gone, [state(chain('b', 'a'))]), chain('c'));
  assert.deepEqual(orphanedBy(gone, []), chain('c', 'b', 'a'));
});

/** Files of blocks, and what each holder must read from them, whatever is done. */
class Model {
  readonly files = new Map<string, Map<number, number>>();
  readonly wanted = new Map<ChainHolder, ReadonlyMap<number, number>>();
  present: ChainHolder;
  #count = 0;

  constructor() {
    this.present = present([this.#newLayer()]);
  }

  holders(): ChainHolder[] {
    return [this.present, ...this.wanted.keys()];
  }

  write(block: number): void {
    this.#count += 1;
    this.files.get(this.present.chain[0]!.path)!.set(block, this.#count);
  }

  fork(needs: 'state' | 'files'): void {
    const sealed = this.present.chain;
    this.wanted.set({ name: `holder ${this.#count}`, needs, chain: sealed }, this.read(sealed));
    this.present = present([this.#newLayer(), ...sealed]);
  }

  letGo(which: number): void {
    const holder = [...this.wanted.keys()][which % Math.max(1, this.wanted.size)];
    if (!holder) return;
    this.wanted.delete(holder);
    for (const { path } of orphanedBy(holder.chain, this.holders())) this.files.delete(path);
  }

  /** Back to a holder's state: the present is thrown away, a new layer goes on top. */
  apply(which: number): void {
    const holder = [...this.wanted.keys()][which % Math.max(1, this.wanted.size)];
    if (!holder) return;
    const old = this.present.chain;
    this.present = present([this.#newLayer(), ...holder.chain]);
    for (const { path } of orphanedBy(old, this.holders())) this.files.delete(path);
  }

  merge(merge: Merge): void {
    const upper = this.files.get(merge.upper.path)!;
    const lower = this.files.get(merge.lower.path)!;
    for (const [block, value] of upper) lower.set(block, value);
    this.files.delete(merge.upper.path);
    const change = (holder: ChainHolder): ChainHolder => ({
      ...holder,
      chain: withMerged(holder.chain, merge, null),
    });
    this.present = change(this.present);
    const wanted = [...this.wanted];
    this.wanted.clear();
    for (const [holder, content] of wanted) this.wanted.set(change(holder), content);
  }

  read(held: Chain): Map<number, number> {
    const content = new Map<number, number>();
    for (const { path } of held.toReversed()) {
      for (const [block, value] of this.files.get(path)!) content.set(block, value);
    }
    return content;
  }

  #newLayer(): DiskLayer {
    this.#count += 1;
    const id = `l${this.#count}`;
    this.files.set(`${id}.qcow2`, new Map());
    return layer(id);
  }
}

const step = fc.oneof(
  fc.record({ do: fc.constant('write' as const), block: fc.nat(7) }),
  fc.record({ do: fc.constant('fork' as const), needs: fc.constantFrom('state' as const, 'files' as const) }),
  fc.record({ do: fc.constant('let go' as const), which: fc.nat(9) }),
  fc.record({ do: fc.constant('apply' as const), which: fc.nat(9) }),
  fc.record({ do: fc.constant('merge' as const), which: fc.nat(9), running: fc.boolean() }),
);

it('whatever is forked, applied, let go of and merged: every holder reads what it held', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const model = new Model();
      for (const each of steps) {
        if (each.do === 'write') model.write(each.block);
        if (each.do === 'fork') model.fork(each.needs);
        if (each.do === 'let go') model.letGo(each.which);
        if (each.do === 'apply') model.apply(each.which);
        if (each.do === 'merge') {
          const merges = planMerges(model.holders(), { running: each.running, tracked: false });
          if (merges.length > 0) model.merge(merges[each.which % merges.length]!);
        }
        for (const [{ chain: held }, content] of model.wanted) assert.deepEqual(model.read(held), content);
      }
      // In the end all that nobody needs is gone, and no file is left over.
      const content = model.read(model.present.chain);
      model.wanted.clear();
      for (;;) {
        const [merge] = planMerges(model.holders(), off);
        if (!merge) break;
        model.merge(merge);
      }
      assert.deepEqual(model.read(model.present.chain), content);
      assert.equal(model.present.chain.length, 1);
    }),
  );
});
