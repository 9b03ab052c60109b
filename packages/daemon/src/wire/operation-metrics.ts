/** Operations under way as a family of Prometheus. */
import type { MetricFamily } from '../metrics.ts';
import type { ActiveOperations } from './active-operations.ts';

export function operationMetrics(active: Pick<ActiveOperations, 'counts'>): MetricFamily {
  return {
    name: 'corral_operations_under_way',
    help: 'Operations that have begun and not ended, those that are stuck among them',
    kind: 'gauge',
    labelNames: ['kind', 'state'],
    samples: active.counts().map(({ kind, state, count }) => ({ labels: { kind, state }, value: count })),
  };
}
