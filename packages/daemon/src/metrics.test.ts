import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MetricFamily, Metrics } from './metrics.ts';
import { LogLines } from './testing/test-server.ts';

const signal = new AbortController().signal;
const build = { version: '0.1.0', node: 'v24' };

function memoryOf(values: Readonly<Record<string, number>>): MetricFamily {
  return {
    name: 'corral_vm_memory_bytes',
    help: 'Memory of a VM',
    kind: 'gauge',
    labelNames: ['vm'],
    samples: Object.entries(values).map(([vm, value]) => ({ labels: { vm }, value })),
  };
}

test('families of a collector are measured at each scrape, and what is gone is not told', async () => {
  const metrics = new Metrics(new LogLines(), build);
  let values: Record<string, number> = { a: 1, b: 2 };
  metrics.addCollector('vm', async () => [
    memoryOf(values),
    {
      name: 'corral_vm_reads_total',
      help: 'Reads',
      kind: 'counter',
      labelNames: [],
      samples: [{ labels: {}, value: 7 }],
    },
  ]);
  const first = await metrics.render(signal);
  assert.match(first.mediaType, /^text\/plain/);
  assert.match(
    first.text,
    /# TYPE corral_vm_memory_bytes gauge\ncorral_vm_memory_bytes\{vm="a"\} 1\n.*vm="b"\} 2/,
  );
  assert.match(first.text, /# TYPE corral_vm_reads_total counter\ncorral_vm_reads_total 7/);
  values = { b: 3 };
  const second = await metrics.render(signal);
  assert.match(second.text, /corral_vm_memory_bytes\{vm="b"\} 3/);
  assert.doesNotMatch(second.text, /vm="a"/);
  assert.match(second.text, /corral_vm_reads_total 7/, 'a counter shows what its source has counted');
});

test('a collector that fails is told by corral_collector_up and harms no other', async () => {
  const log = new LogLines();
  const metrics = new Metrics(log, build);
  metrics.addCollector('broken', async () => {
    throw new Error('no monitor');
  });
  metrics.addCollector('vm', async () => [memoryOf({ a: 1 })]);
  const { text } = await metrics.render(signal);
  assert.match(text, /corral_collector_up\{collector="broken"\} 0/);
  assert.match(text, /corral_collector_up\{collector="vm"\} 1/);
  assert.match(text, /corral_vm_memory_bytes\{vm="a"\} 1/);
  assert.equal(log.lines[0]!.context['collector'], 'broken');
});

test('the daemon tells its version, memory and operations', async () => {
  const metrics = new Metrics(new LogLines(), build);
  metrics.operationFinished('vm.start', 'failed');
  const { text } = await metrics.render(signal);
  assert.match(text, /corral_build_info\{version="0\.1\.0",node="v24"\} 1/);
  assert.match(text, /corral_operations_finished_total\{kind="vm\.start",result="failed"\} 1/);
  assert.match(text, /process_resident_memory_bytes \d+/);
});
