/**
 * VMs end with the host, each as its setting `autostop` says. Asked for by the unit that systemd stops at a shutdown of
 * the host, so that a restart of the daemon is never mistaken for one (docs/howto/run-as-a-service.md).
 */
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import type { VmHost } from '../vm/vm-host.ts';
import type { VmRecord } from '../vm/vm-record.ts';

const Input = z.strictObject({});

/** What ends one VM, through the operations that a person would use. */
export interface AutostopActions {
  readonly save: (record: VmRecord) => Promise<void>;
  readonly shutdown: (record: VmRecord) => Promise<void>;
  readonly stop: (record: VmRecord) => Promise<void>;
}

interface Results {
  'end-vms': { ended: number; forced: number };
}

export function hostAutostop(host: VmHost, actions: AutostopActions) {
  return defineOperation<z.infer<typeof Input>, Results>({
    kind: 'host.autostop',
    input: (json) => Input.parse(json),
    target: () => ['host/autostop'],
    title: () => 'End the VMs of this host',
    cancellable: true,
    afterCrash: 'resume',
    steps: [
      {
        name: 'end-vms',
        run: async () => {
          const running = (await host.records.list()).filter((record) => record.process);
          const forced = await Promise.all(running.map((record) => endOne(host, actions, record)));
          return { ended: running.length, forced: forced.filter(Boolean).length };
        },
      },
    ],
    output: (_input, results) => results['end-vms'],
  });
}

/** The host goes down in any case: what cannot be saved or shut down is turned off. @returns whether it had to be */
async function endOne(host: VmHost, actions: AutostopActions, record: VmRecord): Promise<boolean> {
  const { autostop, name } = record.settings;
  try {
    await actions[autostop](record);
    return false;
  } catch (cause) {
    host.log.error({ err: cause, vm: name, autostop }, 'turning a VM off, since the host goes down');
    if ((await host.records.get(record.settings.id)).process) await actions.stop(record);
    return true;
  }
}
