/** Metrics in Prometheus' text format: the daemon's own, and families that others measure when asked. */
import { withLimit } from '@corral/core/abort';
import type { Logger } from '@corral/host/logger';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { TextAnswer } from './http/handler.ts';
import type { RequestRecord } from './http/server.ts';

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** One metric with all its samples, as measured now. A counter's value is what its source has counted so far. */
export interface MetricFamily {
  /** `corral_vm_memory_bytes`: snake case with the unit, base units (https://prometheus.io/docs/practices/naming/). */
  readonly name: string;
  readonly help: string;
  readonly kind: 'gauge' | 'counter';
  readonly labelNames: readonly string[];
  readonly samples: readonly Sample[];
}

/** Measures when Prometheus asks. Bounded in time; one that fails is told by `corral_collector_up`. */
export type Collector = (signal: AbortSignal) => Promise<readonly MetricFamily[]>;

const collectorLimitMs = 5_000;
/** From what a read from memory takes to what a guest's command does. */
const durationBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30];

export class Metrics {
  readonly #registry = new Registry();
  readonly #log: Logger;
  readonly #collectors = new Map<string, Collector>();
  readonly #families = new Map<string, Gauge | Counter>();
  readonly #requests: Histogram<'route' | 'method' | 'status'>;
  readonly #operations: Counter<'kind' | 'result'>;
  readonly #collectorUp: Gauge<'collector'>;

  constructor(log: Logger, build: { readonly version: string; readonly node: string }) {
    this.#log = log;
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: 100 });
    this.#requests = new Histogram({
      name: 'corral_http_request_duration_seconds',
      help: 'Duration of API requests by route of the contract',
      labelNames: ['route', 'method', 'status'],
      buckets: durationBuckets,
      registers,
    });
    this.#operations = new Counter({
      name: 'corral_operations_finished_total',
      help: 'Operations that have ended, by kind and how they ended',
      labelNames: ['kind', 'result'],
      registers,
    });
    this.#collectorUp = new Gauge({
      name: 'corral_collector_up',
      help: 'Whether this group of figures could be measured',
      labelNames: ['collector'],
      registers,
    });
    const info = {
      name: 'corral_build_info',
      help: 'Version of the daemon',
      labelNames: ['version', 'node'],
    };
    new Gauge({ ...info, registers }).set(build, 1);
  }

  readonly onRequestEnd = ({ durationMs, method, route, status }: RequestRecord): void => {
    this.#requests.observe({ route, method, status: String(status) }, durationMs / 1000);
  };

  operationFinished(kind: string, result: 'succeeded' | 'failed' | 'cancelled' | 'stuck'): void {
    this.#operations.inc({ kind, result });
  }

  /** @param name of the group, for `corral_collector_up` */
  addCollector(name: string, collector: Collector): void {
    this.#collectors.set(name, collector);
  }

  async render(signal: AbortSignal): Promise<TextAnswer> {
    const groups = await Promise.all(
      [...this.#collectors].map(([name, collector]) => this.#collect(name, collector, signal)),
    );
    // What is not measured any more must not be told with its last value.
    for (const metric of this.#families.values()) metric.reset();
    for (const family of groups.flat()) this.#take(family);
    return { mediaType: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  async #collect(name: string, collector: Collector, signal: AbortSignal): Promise<readonly MetricFamily[]> {
    try {
      const families = await withLimit(`measuring ${name}`, collectorLimitMs, signal, collector);
      this.#collectorUp.set({ collector: name }, 1);
      return families;
    } catch (cause) {
      signal.throwIfAborted();
      this.#log.warn({ err: cause, collector: name }, 'figures could not be measured');
      this.#collectorUp.set({ collector: name }, 0);
      return [];
    }
  }

  #take({ help, kind, labelNames, name, samples }: MetricFamily): void {
    const options = { name, help, labelNames: [...labelNames], registers: [this.#registry] };
    const metric = this.#families.get(name) ?? (kind === 'gauge' ? new Gauge(options) : new Counter(options));
    this.#families.set(name, metric);
    for (const { labels, value } of samples) metric.inc(labels, value);
  }
}
