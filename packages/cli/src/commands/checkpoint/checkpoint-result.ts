/** What is printed when an operation on a checkpoint has succeeded. */
import type { Client } from '@corral/api/client.gen';
import type { Checkpoint } from '@corral/api/schemas/checkpoint';
import type { Operation } from '@corral/api/schemas/operation';
import type { Context } from '../../context.ts';
import { runOperation, type WaitChoice } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';
import { idIn } from '../vm/vm-result.ts';

/** The checkpoint as it is afterwards; for people what `sentence` makes of it. */
export function runCheckpointOperation(
  context: Context,
  choice: WaitChoice,
  vm: string,
  start: (client: Client) => Promise<Operation>,
  sentence: (checkpoint: Checkpoint) => string,
): Promise<void> {
  return runOperation(context, choice, start, async (client, operation) => {
    // By ids: somebody may have renamed either meanwhile.
    const vmId = idIn(operation, 'vmId') ?? vm;
    const checkpoint = await client.checkpoint.show(vmId, idIn(operation, 'checkpointId')!, context.call);
    await say(context, checkpoint, sentence(checkpoint));
  });
}
