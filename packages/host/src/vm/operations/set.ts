/** vm.set: changes settings. What QEMU cannot change while it runs holds from the next start, and is said so. */
import { VmPatch } from '@corral/api/schemas/vm';
import type { VmSettings } from '@corral/api/schemas/vm-settings';
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import { vmErrors } from '../../errors.ts';
import { pendingRestart } from '../pending-restart.ts';
import { checkBootOrder, requireFirmware } from '../plan-vm.ts';
import { subject } from '../vm-events.ts';
import { requireLegal, rewriteSettingsFile, type VmHost } from '../vm-host.ts';
import type { VmRecord } from '../vm-record.ts';

const Input = z.strictObject({
  id: z.string(),
  name: z.string(),
  /** What the caller had read; null to change whatever is there. */
  generation: z.int().nullable(),
  patch: VmPatch,
});
export type VmSetInput = z.infer<typeof Input>;

interface Results {
  store: { generation: number };
  'write-file': { pendingRestart: string[] };
}

export function vmSet(host: VmHost) {
  return defineOperation<VmSetInput, Results>({
    kind: 'vm.set',
    input: (json) => Input.parse(json),
    target: ({ id }) => [`vm/${id}`],
    title: ({ name }) => `Change VM ${name}`,
    cancellable: false,
    afterCrash: 'resume',
    steps: [
      {
        name: 'store',
        pivot: true,
        run: async ({ input, attempt }) => {
          requireLegal(host, await host.records.get(input.id), 'set');
          const { settings } = await host.records.update(input.id, (record) => ({
            ...record,
            settings: patched(record.settings, input, attempt > 1),
          }));
          return { generation: settings.generation };
        },
        // One transaction: what it refuses it has not changed, so there is nothing to take back.
        undo: async () => undefined,
      },
      {
        name: 'write-file',
        run: async ({ input }) => {
          await rewriteSettingsFile(host, input.id);
          const record = await host.records.get(input.id);
          const pending = pendingRestart(record);
          await tell(host, input, record, pending);
          return { pendingRestart: pending };
        },
      },
    ],
    output: ({ id }, results) => ({ vmId: id, pendingRestart: results['write-file'].pendingRestart }),
  });
}

async function tell(host: VmHost, input: VmSetInput, record: VmRecord, pending: string[]): Promise<void> {
  const settings = Object.keys(input.patch).filter((key) => key !== 'name');
  if (record.settings.name !== input.name) {
    await host.emit('vm.renamed', subject(record), { from: input.name });
  }
  if (settings.length > 0) {
    await host.emit('vm.settings-changed', subject(record), { settings, pendingRestart: pending });
  }
}

/** @throws vm.changed when somebody was faster; vm.bad-boot-device */
export function patched(
  settings: VmSettings,
  input: Pick<VmSetInput, 'patch' | 'generation'>,
  repeated: boolean,
): VmSettings {
  const next: VmSettings = {
    ...settings,
    ...withoutUndefined(input.patch),
    generation: settings.generation + 1,
  };
  // Tried again after a crash, the change may have been made already: it is the same change.
  if (
    repeated &&
    JSON.stringify({ ...next, generation: 0 }) === JSON.stringify({ ...settings, generation: 0 })
  ) {
    return settings;
  }
  if (input.generation !== null && input.generation !== settings.generation) {
    throw vmErrors.changed({
      vm: settings.name,
      expected: String(input.generation),
      actual: String(settings.generation),
    });
  }
  if (input.patch.iso === null && !input.patch.bootOrder) {
    next.bootOrder = next.bootOrder.filter((device) => device !== 'cdrom');
  }
  checkBootOrder(next);
  requireFirmware(next);
  return next;
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

function withoutUndefined<T extends object>(patch: T): Partial<Defined<T>> {
  return Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined)) as Partial<
    Defined<T>
  >;
}
