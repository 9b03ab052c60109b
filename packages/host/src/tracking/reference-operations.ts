/** reference.create and reference.delete. */
import { isCorralError } from '@corral/core/errors';
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import { subject } from '../vm/vm-events.ts';
import type { VmHost } from '../vm/vm-host.ts';
import { ForkInput, type ForkResults, forkSteps } from './fork-steps.ts';
import { tidyEdges } from './save-changes.ts';

interface CreateResults extends ForkResults {
  tell: null;
}

export function referenceCreate(host: VmHost) {
  return defineOperation<ForkInput, CreateResults>({
    kind: 'reference.create',
    input: (json) => ForkInput.parse(json),
    target: ({ vmId }) => [`vm/${vmId}`],
    title: ({ vmName, reference }) => `Create reference point ${reference?.name} of VM ${vmName}`,
    cancellable: true,
    steps: [
      ...forkSteps(host, 'reference-create'),
      {
        name: 'tell',
        run: async ({ input }) => {
          await host.emit('vm.reference-created', subject(await host.records.get(input.vmId)), {
            reference: input.reference?.name ?? '',
          });
          host.chains.look(input.vmId);
          return null;
        },
      },
    ],
    output: ({ vmId, reference }, { fork }) => ({
      vmId,
      referenceId: reference?.id ?? null,
      consistency: fork.consistency,
      reason: fork.reason,
      frozenMs: fork.frozenMs,
    }),
  });
}

const DeleteInput = z.strictObject({
  vmId: z.string(),
  vmName: z.string(),
  referenceId: z.string(),
  reference: z.string(),
});
export type ReferenceDeleteInput = z.infer<typeof DeleteInput>;

interface DeleteResults {
  forget: null;
  tidy: null;
}

export function referenceDelete(host: VmHost) {
  return defineOperation<ReferenceDeleteInput, DeleteResults>({
    kind: 'reference.delete',
    input: (json) => DeleteInput.parse(json),
    target: ({ vmId, referenceId }) => [`reference/${vmId}/${referenceId}`],
    title: ({ vmName, reference }) => `Delete reference point ${reference} of VM ${vmName}`,
    cancellable: false,
    afterCrash: 'resume',
    steps: [
      {
        name: 'forget',
        pivot: true,
        run: async ({ input }) => {
          await host.chainRecords.change(input.vmId, (state) => ({
            ...state,
            references: state.references.filter(({ id }) => id !== input.referenceId),
          }));
          await host.emit('vm.reference-deleted', subject(await host.records.get(input.vmId)), {
            reference: input.reference,
          });
          return null;
        },
      },
      {
        name: 'tidy',
        run: async ({ input, signal }) => {
          try {
            await tidyEdges(host, input.vmId, signal);
            host.chains.look(input.vmId);
          } catch (cause) {
            // With the VM its edges went.
            if (!isCorralError(cause, 'vm.not-found')) throw cause;
          }
          return null;
        },
      },
    ],
    output: ({ vmId }) => ({ vmId }),
  });
}
