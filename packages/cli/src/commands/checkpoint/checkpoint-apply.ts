import type { CheckpointApply } from '@corral/api/schemas/checkpoint';
import { cliErrors } from '../../errors.ts';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { runVmOperation } from '../vm/vm-result.ts';
import { noWait, waitLimit } from '../wait-options.ts';

export const checkpointApply: CommandDefinition = {
  description:
    'Goes back, or over, to a checkpoint: disks, memory and settings become those of it, and the VM is in the state that it had. What the VM holds now is lost unless it is kept in a checkpoint of its own, so one of the two options must say which.',
  examples: [
    {
      command: 'corral checkpoint apply web1 before-update --checkpoint-first',
      explains: 'keep the present in a checkpoint named after the time',
    },
    {
      command: 'corral checkpoint apply web1 before-update --checkpoint-first=broken',
      explains: 'or under a name',
    },
    {
      command: 'corral checkpoint apply web1 before-update --discard-present',
      explains: 'what is there now is gone',
    },
  ],
  define: (command, context) => {
    command
      .argument('<vm>', 'name or id')
      .argument('<checkpoint>', 'name or id')
      .option('--checkpoint-first [new-name]', 'take a checkpoint of the present first')
      .option('--discard-present', 'throw the present away')
      .option(...noWait)
      .option(...waitLimit)
      .action(async (vm, checkpoint, { checkpointFirst, discardPresent, ...choice }) => {
        const request = presentChoice(checkpointFirst, discardPresent ?? false);
        await runVmOperation(
          context,
          choice,
          (client) => client.checkpoint.apply(vm, checkpoint, request, context.call),
          vm,
          ({ name, state }) => `Checkpoint ${checkpoint} of ${name} is applied; the VM is ${state}.`,
        );
      });
  },
};

/** Without a choice the daemon refuses, and says what there is to choose. @throws cli.usage for both */
function presentChoice(first: string | true | undefined, discard: boolean): CheckpointApply {
  if (first !== undefined && discard) {
    throw cliErrors.usage({
      message: 'The present is kept (--checkpoint-first) or thrown away (--discard-present), not both.',
      see: 'corral checkpoint apply --help',
    });
  }
  if (discard) return { present: 'discard' };
  if (first === undefined) return {};
  return { present: 'checkpoint', ...(first !== true && { checkpointName: first }) };
}
