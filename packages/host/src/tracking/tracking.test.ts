/**
 * Change tracking against a model that keeps what every state held: whatever is written, sealed, merged, abandoned and
 * forgotten, the answer has all that differs, and nothing that was not written on the way.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DiskLayer } from '@corral/api/schemas/vm-settings';
import type { Range } from '@corral/disk/disk';
import fc from 'fast-check';
import { type Chain, chainOf, withChain, withMerged } from '../chain/chain.ts';
import { type ChainState, holdersOf, withChains } from '../chain/chain-records.ts';
import { layerForest, planMerges } from '../chain/layer-forest.ts';
import type { CheckpointRecord } from '../checkpoint/checkpoint-record.ts';
import { orphanedBy } from '../testing/orphaned-by.ts';
import { sampleVm } from '../testing/sample-vm.ts';
import { changesBetween } from './changes-between.ts';
import { edgesToJoin, neededEdges, pairsAbove, pairsToSave } from './needed-edges.ts';
import { unionOf } from './ranges.ts';

const blocks = 12;
const seal = { lengthBytes: 1, modifiedNs: '1' };

type Step =
  | { readonly do: 'write'; readonly block: number }
  | { readonly do: 'reference' | 'checkpoint' | 'merge' | 'tidy' | 'pin' | 'release' }
  | { readonly do: 'apply' | 'forget-reference' | 'forget-checkpoint'; readonly which: number };

interface ModelState {
  readonly parent: string | null;
  readonly written: Set<number>;
  content: readonly number[];
}

class Model {
  state: ChainState;
  readonly states = new Map<string, ModelState>();
  readonly #files = new Map<string, Set<number>>();
  readonly #edges = new Map<string, readonly Range[]>();
  #next = 0;
  #content: number[] = Array.from({ length: blocks }, () => 0);

  constructor() {
    const sample = sampleVm();
    const disk = { ...sample.disks[0]!, id: 'disk', layerId: 's0', path: 's0', sizeBytes: blocks };
    const settings = { ...sample, disks: [disk] };
    const vm = { settings, uid: null, process: null, saved: null, checkpointId: null };
    this.state = { vm, checkpoints: [], pins: [], references: [], edges: [] };
    this.#newTop('s0', null);
  }

  get #disk() {
    return this.state.vm.settings.disks[0]!;
  }

  #newTop(id: string, parent: string | null): void {
    this.states.set(id, { parent, written: new Set(), content: [...this.#content] });
    this.#files.set(id, new Set());
  }

  #setPresent(chain: Chain): void {
    const { vm } = this.state;
    const disks = [withChain(this.#disk, chain)];
    this.state = { ...this.state, vm: { ...vm, settings: { ...vm.settings, disks } } };
  }

  write(block: number): void {
    const { layerId, path } = this.#disk;
    this.#content[block] = ++this.#next;
    const state = this.states.get(layerId)!;
    state.written.add(block);
    state.content = [...this.#content];
    this.#files.get(path)!.add(block);
  }

  fork(): Chain {
    const sealed = chainOf(this.#disk, seal);
    this.#overlay(sealed);
    return sealed;
  }

  #overlay(below: Chain): void {
    const id = `s${++this.#next}`;
    const top: DiskLayer = { id, path: id, format: 'qcow2', shared: false, seal: null };
    this.#setPresent([top, ...below]);
    this.#newTop(id, below[0]!.id);
  }

  reference(): void {
    const [{ id: stateId }] = this.fork() as [DiskLayer];
    const id = `r${++this.#next}`;
    const disks = [{ diskId: 'disk', name: 'root', stateId, sizeBytes: blocks }];
    const reference = { id, vmId: 'vm', name: id, createdAt: '', backup: null, disks };
    this.state = { ...this.state, references: [...this.state.references, reference] };
  }

  checkpoint(): void {
    const { settings } = this.state.vm;
    this.fork();
    const id = `c${++this.#next}`;
    const checkpoint = { id, name: id, settings, seals: { disk: seal }, memory: null };
    this.state = {
      ...this.state,
      checkpoints: [...this.state.checkpoints, checkpoint as unknown as CheckpointRecord],
    };
  }

  apply(which: number): void {
    const checkpoint = this.state.checkpoints[which % Math.max(1, this.state.checkpoints.length)];
    if (!checkpoint) return;
    const gone = chainOf(this.#disk);
    const chain = chainOf(checkpoint.settings.disks[0]!, checkpoint.seals['disk']);
    const { state } = this;
    const others = holdersOf(state, 'disk').filter(({ needs }) => needs !== 'present');
    const orphans = orphanedBy(gone, others);
    this.#save(new Set(orphans.map(({ id }) => id)));
    this.#content = [...this.states.get(chain[0]!.id)!.content];
    this.#overlay(chain);
    this.#dropUnused();
  }

  merge(): void {
    const conditions = { running: false, tracked: this.state.references.length > 0 };
    const [merge] = planMerges(holdersOf(this.state, 'disk'), conditions);
    if (!merge) return;
    this.#save(new Set([merge.upper.id, merge.lower.id]));
    const lower = this.#files.get(merge.lower.path)!;
    for (const block of this.#files.get(merge.upper.path)!) lower.add(block);
    this.state = withChains(this.state, 'disk', (chain) => withMerged(chain, merge, seal));
  }

  /** As a backup does: the disk is held while it is read. */
  pin(): void {
    const chain = [...this.fork()];
    const id = `p${++this.#next}`;
    const disks = [{ diskId: 'disk', name: 'root', sizeBytes: blocks, chain }];
    const pin = { id, vmId: 'vm', reason: id, createdAt: '', operationId: null, expiresAt: null };
    this.state = { ...this.state, pins: [...this.state.pins, { ...pin, disks, doomed: [] }] };
  }

  /** The backup is done: the next one counts from here, whatever became of the disk meanwhile. */
  release(): void {
    const [pin, ...others] = this.state.pins;
    if (!pin) return;
    const [{ id: stateId }] = pin.disks[0]!.chain as [DiskLayer];
    const disks = [{ diskId: 'disk', name: 'root', stateId, sizeBytes: blocks }];
    const id = `r${++this.#next}`;
    const reference = { id, vmId: 'vm', name: id, createdAt: '', backup: null, disks };
    this.state = { ...this.state, references: [...this.state.references, reference] };
    const without = { ...this.state, pins: others };
    this.#save(new Set(orphanedBy(pin.disks[0]!.chain, holdersOf(without, 'disk')).map((layer) => layer.id)));
    this.state = { ...this.state, pins: others };
    this.#dropUnused();
  }

  forgetReference(which: number): void {
    const { references } = this.state;
    this.state = {
      ...this.state,
      references: references.filter((_, at) => at !== which % references.length),
    };
  }

  forgetCheckpoint(which: number): void {
    const { checkpoints } = this.state;
    const gone = checkpoints[which % Math.max(1, checkpoints.length)];
    if (!gone) return;
    const without = { ...this.state, checkpoints: checkpoints.filter(({ id }) => id !== gone.id) };
    const chain = chainOf(gone.settings.disks[0]!, seal);
    this.#save(new Set(orphanedBy(chain, holdersOf(without, 'disk')).map(({ id }) => id)));
    this.state = { ...this.state, checkpoints: without.checkpoints };
    this.#dropUnused();
  }

  tidy(): void {
    this.state = { ...this.state, edges: neededEdges(this.state) };
    for (;;) {
      const pair = edgesToJoin(this.state, 'disk');
      if (!pair) return;
      const ends = pair.flatMap(({ from, to }) => [from, to]);
      const [from, to] = ends.filter((id) => ends.filter((other) => other === id).length === 1);
      const ranges = unionOf(pair.flatMap(({ id }) => this.#edges.get(id)!));
      const kept = this.state.edges.filter(({ id }) => id !== pair[0].id && id !== pair[1].id);
      this.state = { ...this.state, edges: [...kept, this.#edge(from!, to!, ranges)] };
    }
  }

  #dropUnused(): void {
    const used = new Set(
      [...layerForest(holdersOf(this.state, 'disk')).values()].map(({ layer }) => layer.path),
    );
    for (const path of this.#files.keys()) if (!used.has(path)) this.#files.delete(path);
  }

  #save(ids: ReadonlySet<string>): void {
    const pairs = pairsToSave(this.state, 'disk', pairsAbove(this.state, 'disk', ids));
    for (const { lower, upper } of pairs) {
      if (upper.seal === null) continue;
      const edge = this.#edge(lower.id, upper.id, this.#allocated(upper.path));
      this.state = { ...this.state, edges: [...this.state.edges, edge] };
    }
  }

  #edge(from: string, to: string, ranges: readonly Range[]) {
    assert.ok(from !== undefined && to !== undefined && from !== to, 'an edge has two ends');
    const id = `e${++this.#next}`;
    this.#edges.set(id, ranges);
    return { id, vmId: 'vm', diskId: 'disk', from, to, path: id, changedBytes: ranges.length };
  }

  #allocated(path: string): Range[] {
    return unionOf([...this.#files.get(path)!].map((offset) => ({ offset, length: 1 })));
  }

  async check(): Promise<void> {
    const [top] = this.fork();
    const to = { stateId: top!.id, sizeBytes: blocks };
    for (const { disks } of this.state.references) {
      const from = disks[0]!;
      const found = await changesBetween(this.state, 'disk', from, to, async ({ source }) =>
        source.kind === 'edge' ? this.#edges.get(source.edge.id)! : this.#allocated(source.layer.path),
      );
      assert.ok(found, 'the states have a common ancestor');
      const changed = new Set(
        found.flatMap(({ offset, length }) => Array.from({ length }, (_, i) => offset + i)),
      );
      this.#compare(changed, from.stateId, to.stateId);
    }
  }

  #compare(changed: ReadonlySet<number>, from: string, to: string): void {
    const before = this.states.get(from)!.content;
    const now = this.states.get(to)!.content;
    const allowed = this.#writtenBetween(from, to);
    for (let block = 0; block < blocks; block += 1) {
      if (before[block] !== now[block])
        assert.ok(changed.has(block), `block ${block} differs and is not listed`);
      if (changed.has(block)) assert.ok(allowed.has(block), `block ${block} is listed and was not written`);
    }
  }

  #writtenBetween(from: string, to: string): Set<number> {
    const upFrom = this.#ancestors(from);
    const upTo = this.#ancestors(to);
    const way = [...upFrom.filter((id) => !upTo.includes(id)), ...upTo.filter((id) => !upFrom.includes(id))];
    return new Set(way.flatMap((id) => [...this.states.get(id)!.written]));
  }

  #ancestors(id: string): string[] {
    const { parent } = this.states.get(id)!;
    return parent === null ? [id] : [id, ...this.#ancestors(parent)];
  }
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('write' as const), block: fc.nat(blocks - 1) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('reference', 'checkpoint', 'merge', 'tidy', 'pin', 'release'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('apply', 'forget-reference', 'forget-checkpoint'),
      which: fc.nat(5),
    }),
  },
) as fc.Arbitrary<Step>;

function run(model: Model, { do: what, ...rest }: Step): void {
  const which = 'which' in rest ? rest.which : 0;
  const actions: Record<Step['do'], () => void> = {
    write: () => model.write('block' in rest ? rest.block : 0),
    reference: () => model.reference(),
    checkpoint: () => model.checkpoint(),
    merge: () => model.merge(),
    tidy: () => model.tidy(),
    pin: () => model.pin(),
    release: () => model.release(),
    apply: () => model.apply(which),
    'forget-reference': () => model.forgetReference(which),
    'forget-checkpoint': () => model.forgetCheckpoint(which),
  };
  actions[what]();
}

test('what changed is never less than the truth, whatever happens to the layers', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      const model = new Model();
      for (const each of steps) {
        run(model, each);
        await model.check();
      }
    }),
    { numRuns: 150 },
  );
});

test('one reference point that moves on keeps no edges behind', () => {
  const model = new Model();
  for (let backup = 0; backup < 20; backup += 1) {
    model.write(backup % blocks);
    model.reference();
    if (backup > 0) model.forgetReference(0);
    for (let merges = 0; merges < 3; merges += 1) model.merge();
    model.tidy();
  }
  assert.ok(model.state.edges.length <= 1, `${model.state.edges.length} edges`);
});

test('an old reference point beside one that moves on keeps few edges', () => {
  const model = new Model();
  model.reference();
  for (let backup = 0; backup < 20; backup += 1) {
    model.write(backup % blocks);
    model.reference();
    if (backup > 0) model.forgetReference(1);
    for (let merges = 0; merges < 3; merges += 1) model.merge();
    model.tidy();
  }
  assert.ok(model.state.edges.length <= 3, `${model.state.edges.length} edges`);
});

test('two edges between the same two states lead to no third one', () => {
  const { state } = new Model();
  const reference = {
    id: 'r',
    vmId: 'vm',
    name: 'r',
    createdAt: '',
    backup: null,
    disks: [{ diskId: 'disk', name: 'root', stateId: 's0', sizeBytes: blocks }],
  };
  const edge = (from: string, to: string) => ({
    id: `${from}${to}`,
    vmId: 'vm',
    diskId: 'disk',
    from,
    to,
    path: `${from}${to}`,
    changedBytes: 1,
  });
  const edges = [edge('s0', 'gone'), edge('gone', 's0')];
  const doubled = { ...state, references: [reference], edges };
  assert.deepEqual(neededEdges(doubled), []);
  assert.equal(edgesToJoin(doubled, 'disk'), null);
});
