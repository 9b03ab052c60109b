/** What is printed when an operation on a VM has succeeded. */
import type { Client } from '@corral/api/client.gen';
import type { Operation } from '@corral/api/schemas/operation';
import type { Vm } from '@corral/api/schemas/vm';
import type { Context } from '../../context.ts';
import { runOperation, seeThrough, type WaitChoice } from '../../operation/run-operation.ts';
import { say } from '../../output.ts';

/** The VM as it is afterwards; for people what `sentence` makes of it. */
export async function runVmOperation(
  context: Context,
  choice: WaitChoice,
  start: (client: Client) => Promise<Operation>,
  vmName: string,
  sentence: (vm: Vm, operation: Operation) => string = (vm) => `VM ${vm.name} is ${vm.state}.`,
): Promise<void> {
  await runOperation(context, choice, start, async (client, operation) => {
    await seeStartThrough(context, client, operation, choice);
    // By id: somebody may have renamed it meanwhile.
    const vm = await client.vm.show(idIn(operation, 'vmId') ?? vmName, context.call);
    await say(context, vm, sentence(vm, operation));
  });
}

/** `create --start` and `clone --start` leave the start to an operation of its own, which may fail by itself. */
async function seeStartThrough(
  context: Context,
  client: Client,
  operation: Operation,
  choice: WaitChoice,
): Promise<void> {
  const startId = idIn(operation, 'startOperationId');
  if (startId === null) return;
  await seeThrough(context, client, await client.operation.show(startId, context.call), choice);
}

/** An id in what the operation gave back; its form depends on its kind. */
export function idIn({ output }: Operation, key: string): string | null {
  if (typeof output !== 'object' || output === null) return null;
  const value = (output as Readonly<Record<string, unknown>>)[key];
  return typeof value === 'string' ? value : null;
}

const ways: Readonly<Record<string, string>> = {
  reflink: 'shares blocks with its original (reflink)',
  copy_file_range: 'copied by the file system (copy_file_range)',
  'read-write': 'read and written',
  converted: 'converted',
};

/** Which way each disk was copied, as sentences behind another; nothing where none was. */
export function copiesIn({ output }: Operation): string {
  const copies = (output as { readonly copies?: unknown } | null)?.copies;
  if (!Array.isArray(copies)) return '';
  const sentences = (copies as readonly { readonly disk: string; readonly way: string }[]).map(
    ({ disk, way }) => ` Disk ${disk}: ${ways[way] ?? way}.`,
  );
  return sentences.join('');
}
