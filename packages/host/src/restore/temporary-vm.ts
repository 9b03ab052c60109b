/** A VM that lives as long as an operation needs it: on a backup, without a network, never copied. */
import type { VmSettings } from '@corral/api/schemas/vm-settings';
import { isCorralError } from '@corral/core/errors';
import { derivedId } from '@corral/core/ids';
import type { OperationStep } from '@corral/operation/operation';
import type { RestoreHost, RestoreSource } from './restore-host.ts';

interface TemporaryVm {
  readonly settings: VmSettings;
  readonly source: RestoreSource;
  /** As of restore.vm. */
  readonly boot?: { readonly kernel: string; readonly initrd: string };
}

const answerLimitMs = 5_000;

const childId = (what: string, operationId: string): string => derivedId(`${what} of ${operationId}`);

/** What another machine must not share with the one it was made from, and what reaches out of it. Pure. */
export function isolated(settings: VmSettings): VmSettings {
  return {
    ...settings,
    ports: [],
    bootOrder: settings.bootOrder.filter((device) => !device.startsWith('port:')),
    iso: null,
    autostart: null,
    autostop: 'stop',
  };
}

/** The first steps of an operation that needs one. Its last calls `discardTemporaryVm`. */
export function temporaryVmSteps(restores: RestoreHost) {
  const make: OperationStep<TemporaryVm, { make: null }, 'make'> = {
    name: 'make',
    run: async ({ input, operationId, signal }) => {
      await makeTemporaryVm(restores, input, operationId, signal);
      return null;
    },
    undo: ({ input, operationId, signal }) =>
      discardTemporaryVm(restores, input.settings.id, operationId, signal),
  };
  const boot: OperationStep<TemporaryVm, { boot: null }, 'boot'> = {
    name: 'boot',
    run: async ({ input, operationId, signal }) => {
      await startTemporaryVm(restores, input, operationId, signal);
      return null;
    },
  };
  return [make, boot] as const;
}

/** Makes it, stopped. Repeatable. */
async function makeTemporaryVm(
  { children, kinds }: RestoreHost,
  { boot, settings, source }: TemporaryVm,
  operationId: string,
  signal: AbortSignal,
): Promise<void> {
  const input = {
    source,
    settings,
    home: null,
    volumes: [],
    boot: boot ?? null,
    start: false,
    copy: false,
    requestedBy: 'corral',
  };
  await children.run(kinds().restoreVm, input, childId('temporary VM', operationId), signal);
}

/** Repeatable. */
async function startTemporaryVm(
  { children, kinds }: RestoreHost,
  { settings: { id, name } }: Pick<TemporaryVm, 'settings'>,
  operationId: string,
  signal: AbortSignal,
): Promise<void> {
  await children.run(kinds().start, { id, name }, childId('temporary start', operationId), signal);
}

/** Whether the agent of its guest is there. One that is not up yet, or not any more, is not. */
export async function agentAnswers(
  { host }: RestoreHost,
  { settings }: Pick<TemporaryVm, 'settings'>,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await host.agents.of(settings).ping({ limitMs: answerLimitMs, signal });
    return true;
  } catch (cause) {
    signal.throwIfAborted();
    const notThere =
      isCorralError(cause) && (cause.code.startsWith('agent.') || cause.code === 'core.timeout');
    if (!notThere) throw cause;
    return false;
  }
}

/** Nothing of it is left, however far it came. Repeatable. */
export async function discardTemporaryVm(
  { children, host, kinds }: RestoreHost,
  vmId: string,
  operationId: string,
  signal: AbortSignal,
): Promise<void> {
  for (const what of ['temporary start', 'temporary VM'])
    await children.abandon(childId(what, operationId), signal);
  const record = await host.records.find(vmId);
  if (!record) return;
  const { id, name } = record.settings;
  if (record.process) {
    // Each run of it is another one to end.
    const run = `end of ${record.process.pid} ${record.process.startTime}`;
    await children.run(kinds().stop, { id, name }, childId(run, operationId), signal);
  }
  const input = { id, name, uid: record.uid };
  await children.run(kinds().delete, input, childId('temporary end', operationId), signal);
}
