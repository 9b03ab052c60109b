/** checkpoint.create: until the record has the checkpoint everything is taken back on failure. */
import { defineOperation } from '@corral/operation/operation';
import type { VmHost } from '../../vm/vm-host.ts';
import { Capture, type CaptureResults, captureSteps } from '../capture.ts';

export function checkpointCreate(host: VmHost) {
  return defineOperation<Capture, CaptureResults>({
    kind: 'checkpoint.create',
    input: (json) => Capture.parse(json),
    target: ({ vmId }) => [`vm/${vmId}`],
    title: ({ name, vmName }) => `Take checkpoint ${name} of VM ${vmName}`,
    cancellable: true,
    steps: captureSteps<Capture>(host, (input) => input).map((step) =>
      step.name === 'record-checkpoint' ? { ...step, pivot: true as const } : step,
    ),
    output: ({ vmId, id }) => ({ vmId, checkpointId: id }),
  });
}
