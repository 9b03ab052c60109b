/** vm.delete: the VM is forgotten first, its files go after that; a crash in between goes on deleting. */
import { rm } from 'node:fs/promises';
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import { requireUnpinned } from '../../tracking/require-unpinned.ts';
import { subject } from '../vm-events.ts';
import { removeVmFolders } from '../vm-folders.ts';
import { requireLegal, type VmHost } from '../vm-host.ts';
import { killVmProcesses } from '../vm-processes.ts';

const Input = z.strictObject({ id: z.string(), name: z.string(), uid: z.int().nullable() });
export type VmDeleteInput = z.infer<typeof Input>;

interface Results {
  check: null;
  unregister: null;
  'delete-files': null;
  'release-user': null;
}

export function vmDelete(host: VmHost) {
  return defineOperation<VmDeleteInput, Results>({
    kind: 'vm.delete',
    input: (json) => Input.parse(json),
    target: ({ id }) => [`vm/${id}`],
    title: ({ name }) => `Delete VM ${name}`,
    cancellable: false,
    afterCrash: 'resume',
    steps: [
      {
        // What is refused is refused before the step from which there is no way back.
        name: 'check',
        run: async ({ input }) => {
          const record = await host.records.find(input.id);
          if (!record) return null;
          requireLegal(host, record, 'delete');
          await requireUnpinned(host, record);
          return null;
        },
      },
      {
        name: 'unregister',
        pivot: true,
        run: async ({ input }) => {
          const record = await host.records.find(input.id);
          if (!record) return null;
          await host.chainRecords.forget(input.id);
          await host.records.delete(input.id);
          await host.emit('vm.deleted', subject(record));
          return null;
        },
      },
      {
        name: 'delete-files',
        run: async ({ input }) => {
          await using _files = await host.chains.pause(input.id);
          await killVmProcesses(host.directory, input.id, null);
          await host.pointServers.end(input.id);
          await host.agents.release(input.id);
          const paths = host.directory.vm(input.id);
          await rm(paths.run, { recursive: true, force: true });
          await removeVmFolders(host, input.id);
          return null;
        },
      },
      {
        // Last: whoever gets this user id next must find no file of this VM.
        name: 'release-user',
        run: async ({ input }) => {
          if (input.uid !== null) await host.records.releaseUid(input.uid);
          return null;
        },
      },
    ],
    output: ({ id }) => ({ vmId: id }),
  });
}
