/** vm.fork: forks a VM's disks and pins what lies below, for another operation that reads it. */
import { defineOperation } from '@corral/operation/operation';
import { ForkInput, type ForkResults, forkOutput, forkSteps } from '../tracking/fork-steps.ts';
import type { VmHost } from '../vm/vm-host.ts';

export function vmFork(host: VmHost) {
  return defineOperation<ForkInput, ForkResults>({
    kind: 'vm.fork',
    input: (json) => ForkInput.parse(json),
    target: ({ vmId }) => [`vm/${vmId}`],
    title: ({ vmName }) => `Fork the disks of VM ${vmName}`,
    cancellable: true,
    steps: forkSteps(host, 'backup'),
    output: (_, results) => forkOutput(results),
  });
}
