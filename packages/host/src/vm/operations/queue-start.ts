/** The step with which an operation that makes a VM asks for its start: that is an operation of its own. */
import type { VmSettings } from '@corral/api/schemas/vm-settings';
import type { OperationStep } from '@corral/operation/operation';
import type { VmHost } from '../vm-host.ts';

interface Input {
  readonly settings: Pick<VmSettings, 'id' | 'name'>;
  readonly start: boolean;
  readonly requestedBy: string;
}

export interface QueueStartResult {
  'queue-start': {
    /** Of the start; null where nobody asked for it. */
    operationId: string | null;
  };
}

export function queueStart(host: VmHost): OperationStep<Input, QueueStartResult, 'queue-start'> {
  return {
    name: 'queue-start',
    run: async ({ input: { requestedBy, settings, start }, operationId }) => {
      const { id, name } = settings;
      return { operationId: start ? await host.queueStart({ id, name }, operationId, requestedBy) : null };
    },
  };
}
