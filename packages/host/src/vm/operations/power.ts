/** Operations that change whether and how a VM runs, but not what it is. */

import { withLimit } from '@corral/core/abort';
import { isCorralError } from '@corral/core/errors';
import type { VmAction } from '@corral/core/vm-actions';
import { defineOperation, type Operation } from '@corral/operation/operation';
import type { QmpClient } from '@corral/qmp/qmp-client';
import { z } from 'zod';
import { vmErrors } from '../../errors.ts';
import { followHostClock } from '../../guest/guest-clock.ts';
import { removeWhole } from '../../storage/whole-files.ts';
import { subject } from '../vm-events.ts';
import { isQemuGone, monitorOf, requireLegal, type VmHost } from '../vm-host.ts';
import type { VmTarget } from './start.ts';

const Target = z.strictObject({ id: z.string(), name: z.string() });

/** An operation of one command to QEMU, which may be repeated. */
function command(
  host: VmHost,
  action: 'pause' | 'resume' | 'reset',
  verb: string,
  send: (qmp: QmpClient, signal: AbortSignal) => Promise<unknown>,
  event: 'vm.paused' | 'vm.resumed' | 'vm.reset',
  afterwards: (vm: VmTarget) => void = () => undefined,
): Operation<VmTarget> {
  return defineOperation<VmTarget, { [step: string]: null }>({
    kind: `vm.${action}`,
    input: (json) => Target.parse(json),
    target: ({ id }) => [`vm/${id}`],
    title: ({ name }) => `${verb} VM ${name}`,
    cancellable: false,
    afterCrash: 'resume',
    steps: [
      {
        name: action,
        run: async ({ input, signal, attempt }) => {
          const record = await host.records.get(input.id);
          // Tried again after a crash, it may have been carried out already.
          if (attempt === 1) requireLegal(host, record, action);
          await send(await monitorOf(host, input.id, signal), signal);
          await host.supervisor.refresh(input.id);
          await host.emit(event, subject(record));
          afterwards(input);
          return null;
        },
      },
    ],
    output: ({ id }) => ({ vmId: id }),
  });
}

export function vmPause(host: VmHost): Operation<VmTarget> {
  return command(host, 'pause', 'Pause', (qmp, signal) => qmp.execute('stop', {}, { signal }), 'vm.paused');
}

/** Also after an I/O error or a full volume, when the cause is gone: QEMU repeats the requests that failed. */
export function vmResume(host: VmHost): Operation<VmTarget> {
  return command(
    host,
    'resume',
    'Resume',
    (qmp, signal) => qmp.execute('cont', {}, { signal }),
    'vm.resumed',
    (vm) => followHostClock(host, vm),
  );
}

export function vmReset(host: VmHost): Operation<VmTarget> {
  return command(
    host,
    'reset',
    'Reset',
    (qmp, signal) => qmp.execute('system_reset', {}, { signal }),
    'vm.reset',
  );
}

export function vmStop(host: VmHost): Operation<VmTarget> {
  return defineOperation<VmTarget, { 'end-qemu': null }>({
    kind: 'vm.stop',
    input: (json) => Target.parse(json),
    target: ({ id }) => [`vm/${id}`],
    title: ({ name }) => `Turn off VM ${name}`,
    cancellable: false,
    afterCrash: 'resume',
    steps: [
      {
        name: 'end-qemu',
        pivot: true,
        run: async ({ input, attempt }) => {
          const record = await host.records.get(input.id);
          if (attempt === 1) requireLegal(host, record, 'stop');
          using _activity = host.supervisor.activity(input.id, 'stopping');
          await host.supervisor.endQemu(input.id);
          await host.emit('vm.stopped', subject(record));
          return null;
        },
      },
    ],
    output: ({ id }) => ({ vmId: id }),
  });
}

const ShutdownInput = Target.extend({ limitMs: z.int(), force: z.boolean() });
export type VmShutdownInput = z.infer<typeof ShutdownInput>;

/** The agent is asked first, then the guest's ACPI; a guest that does neither within the limit keeps running. */
export function vmShutdown(host: VmHost): Operation<VmShutdownInput> {
  return defineOperation<VmShutdownInput, { 'ask-guest': null; 'wait-off': null }>({
    kind: 'vm.shutdown',
    input: (json) => ShutdownInput.parse(json),
    target: ({ id }) => [`vm/${id}`],
    title: ({ name }) => `Shut down VM ${name}`,
    cancellable: true,
    afterCrash: 'resume',
    steps: [
      {
        name: 'ask-guest',
        run: async ({ input, signal, attempt }) => {
          const record = await host.records.get(input.id);
          if (attempt === 1) requireLegal(host, record, 'shutdown');
          await askGuest(host, input.id, signal);
          return null;
        },
      },
      {
        name: 'wait-off',
        run: async ({ input, signal }) => {
          await waitOff(host, input, signal);
          return null;
        },
      },
    ],
    output: ({ id }) => ({ vmId: id }),
  });
}

/** The guest's agent has so long to take the request; one that is not there is found out by then. */
const agentLimitMs = 3_000;

async function askGuest(host: VmHost, id: string, signal: AbortSignal): Promise<void> {
  const record = await host.records.get(id);
  if (!record.process) return;
  try {
    await host.agents.of(record.settings).shutdown('powerdown', { signal, limitMs: agentLimitMs });
  } catch (cause) {
    signal.throwIfAborted();
    host.log.info(
      { err: cause, vm: record.settings.name },
      'no agent took the shutdown; asking through ACPI',
    );
    await pressPowerButton(host, id, signal);
  }
}

async function pressPowerButton(host: VmHost, id: string, signal: AbortSignal): Promise<void> {
  try {
    const qmp = await monitorOf(host, id, signal);
    await qmp.execute('system_powerdown', {}, { signal });
  } catch (cause) {
    // A guest that had been asked before went off just now: whoever waits for that finds it gone.
    if (!isQemuGone(cause)) throw cause;
  }
}

/** An ACPI event that came while the guest was still booting is lost: it is sent again now and then. */
const askAgainMs = 10_000;

async function waitOff(host: VmHost, input: VmShutdownInput, signal: AbortSignal): Promise<void> {
  using _activity = host.supervisor.activity(input.id, 'stopping');
  try {
    await withLimit(`The shutdown of VM "${input.name}"`, input.limitMs, signal, async (limited) => {
      for (;;) {
        try {
          return await host.supervisor.waitUntilGone(
            input.id,
            AbortSignal.any([limited, AbortSignal.timeout(askAgainMs)]),
          );
        } catch (cause) {
          limited.throwIfAborted();
          if (!(cause instanceof DOMException) || cause.name !== 'TimeoutError') throw cause;
          await askGuest(host, input.id, limited);
        }
      }
    });
  } catch (cause) {
    if (!isCorralError(cause, 'core.timeout')) throw cause;
    if (!input.force) {
      throw vmErrors['shutdown-limit']({ vm: input.name, limitMs: input.limitMs }, { cause });
    }
    await host.supervisor.endQemu(input.id);
  }
}

export function vmDiscardSaved(host: VmHost): Operation<VmTarget> {
  return defineOperation<VmTarget, { discard: null }>({
    kind: 'vm.discard-saved',
    input: (json) => Target.parse(json),
    target: ({ id }) => [`vm/${id}`],
    title: ({ name }) => `Discard the saved memory of VM ${name}`,
    cancellable: false,
    afterCrash: 'resume',
    steps: [
      {
        name: 'discard',
        pivot: true,
        run: async ({ input, attempt }) => {
          const record = await host.records.get(input.id);
          if (attempt === 1) requireLegal(host, record, 'discard-saved' satisfies VmAction);
          await host.records.update(input.id, (current) => ({ ...current, saved: null }));
          await removeWhole(host.directory.vm(input.id).savedMemory);
          await host.emit('vm.saved-discarded', subject(record));
          return null;
        },
      },
    ],
    output: ({ id }) => ({ vmId: id }),
  });
}
