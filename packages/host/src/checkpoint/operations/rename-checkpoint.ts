import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import { subject } from '../../vm/vm-events.ts';
import type { VmHost } from '../../vm/vm-host.ts';
import { rewriteCheckpointFiles } from '../checkpoint-files.ts';
import { findCheckpoint, requireFreeName } from '../checkpoint-tree.ts';

const Input = z.strictObject({
  vmId: z.string(),
  vmName: z.string(),
  id: z.string(),
  from: z.string(),
  name: z.string(),
});
export type CheckpointRenameInput = z.infer<typeof Input>;

export function checkpointRename(host: VmHost) {
  return defineOperation<CheckpointRenameInput, { rename: null; 'write-file': null }>({
    kind: 'checkpoint.rename',
    input: (json) => Input.parse(json),
    target: ({ vmId }) => [`vm/${vmId}`],
    title: ({ from, name, vmName }) => `Rename checkpoint ${from} of VM ${vmName} to ${name}`,
    cancellable: false,
    afterCrash: 'resume',
    steps: [
      {
        name: 'rename',
        pivot: true,
        run: async ({ input: { vmId, id, name } }) => {
          await host.chainRecords.change(vmId, (state) => {
            findCheckpoint(state.checkpoints, state.vm.settings.name, id);
            requireFreeName(state.checkpoints, state.vm.settings.name, name, id);
            const checkpoints = state.checkpoints.map((each) => (each.id === id ? { ...each, name } : each));
            return { ...state, checkpoints };
          });
          return null;
        },
      },
      {
        name: 'write-file',
        run: async ({ input: { vmId, from, name } }) => {
          await rewriteCheckpointFiles(host, vmId);
          const data = { checkpoint: name, from };
          await host.emit('checkpoint.renamed', subject(await host.records.get(vmId)), data);
          return null;
        },
      },
    ],
    output: ({ vmId, id }) => ({ vmId, checkpointId: id }),
  });
}
