/** vm.port-add and vm.port-remove, of a VM that runs or does not. */
import { PortSettings } from '@corral/api/schemas/vm-settings';
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import { bridgeOf, createTap, deleteTap, tapName } from '../../network/tap.ts';
import { plugPort, unplugPort } from '../hot-plug.ts';
import { subject } from '../vm-events.ts';
import { monitorOf, requireLegal, rewriteSettingsFile, type VmHost } from '../vm-host.ts';
import { withChangedSettings } from './change-settings.ts';

const Input = z.strictObject({ id: z.string(), name: z.string(), port: PortSettings });
export type PortInput = z.infer<typeof Input>;

interface AddResults {
  plug: null;
  store: null;
  'write-file': null;
}

export function vmPortAdd(host: VmHost) {
  return defineOperation<PortInput, AddResults>({
    kind: 'vm.port-add',
    input: (json) => Input.parse(json),
    target: ({ id }) => [`vm/${id}`],
    title: ({ name, port }) => `Add port ${port.name} to VM ${name}`,
    cancellable: true,
    // A guest may refuse to let go of a device that it has: going on is always possible.
    afterCrash: 'resume',
    steps: [
      {
        name: 'plug',
        run: async ({ input, signal }) => {
          const record = await host.records.get(input.id);
          requireLegal(host, record, 'port-add');
          if (!record.process) return null;
          const bridge = bridgeOf(input.port.network);
          const tap = bridge && tapName(input.port.id);
          if (bridge && tap) await createTap(tap, bridge, record.uid);
          await plugPort(await monitorOf(host, input.id, signal), input.port, tap, signal);
          return null;
        },
        undo: async ({ input, signal }) => {
          const record = await host.records.get(input.id);
          if (record.process) {
            await unplugPort(await monitorOf(host, input.id, signal), record.settings, input.port, signal);
          }
          if (bridgeOf(input.port.network)) await deleteTap(tapName(input.port.id));
        },
      },
      {
        name: 'store',
        pivot: true,
        run: async ({ input }) => {
          await host.records.update(input.id, (record) =>
            withChangedSettings(record, (vm) => ({
              ports: [...vm.ports.filter(({ id }) => id !== input.port.id), input.port],
            })),
          );
          return null;
        },
      },
      {
        name: 'write-file',
        run: async ({ input }) => {
          await rewriteSettingsFile(host, input.id);
          await host.emit('vm.port-added', subject(await host.records.get(input.id)), {
            port: input.port.name,
          });
          return null;
        },
      },
    ],
    output: ({ id }) => ({ vmId: id }),
  });
}

interface RemoveResults {
  unplug: null;
  store: null;
  'write-file': null;
}

export function vmPortRemove(host: VmHost) {
  return defineOperation<PortInput, RemoveResults>({
    kind: 'vm.port-remove',
    input: (json) => Input.parse(json),
    target: ({ id }) => [`vm/${id}`],
    title: ({ name, port }) => `Remove port ${port.name} from VM ${name}`,
    cancellable: false,
    afterCrash: 'resume',
    steps: [
      {
        name: 'unplug',
        run: async ({ input, signal }) => {
          const record = await host.records.get(input.id);
          requireLegal(host, record, 'port-remove');
          if (record.process) {
            await unplugPort(await monitorOf(host, input.id, signal), record.settings, input.port, signal);
          }
          if (bridgeOf(input.port.network)) await deleteTap(tapName(input.port.id));
          return null;
        },
      },
      {
        name: 'store',
        pivot: true,
        run: async ({ input }) => {
          await host.records.update(input.id, (record) =>
            withChangedSettings(record, (vm) => ({
              ports: vm.ports.filter(({ id }) => id !== input.port.id),
              bootOrder: vm.bootOrder.filter((device) => device !== `port:${input.port.name}`),
            })),
          );
          return null;
        },
      },
      {
        name: 'write-file',
        run: async ({ input }) => {
          await rewriteSettingsFile(host, input.id);
          await host.emit('vm.port-removed', subject(await host.records.get(input.id)), {
            port: input.port.name,
          });
          return null;
        },
      },
    ],
    output: ({ id }) => ({ vmId: id }),
  });
}
