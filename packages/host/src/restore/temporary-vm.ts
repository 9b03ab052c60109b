/** A VM that lives as long as an operation needs it: on a backup, without a network, never copied. */
import type { VmSettings } from '@corral/api/schemas/vm-settings';
import { derivedId } from '@corral/core/ids';
import type { RestoreHost, RestoreSource } from './restore-host.ts';

export interface TemporaryVm {
  readonly settings: VmSettings;
  readonly source: RestoreSource;
  /** As of restore.vm. */
  readonly boot?: { readonly kernel: string; readonly initrd: string };
}

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

/** Makes it, stopped. Repeatable. */
export async function makeTemporaryVm(
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
export async function startTemporaryVm(
  { children, kinds }: RestoreHost,
  { settings: { id, name } }: Pick<TemporaryVm, 'settings'>,
  operationId: string,
  signal: AbortSignal,
): Promise<void> {
  await children.run(kinds().start, { id, name }, childId('temporary start', operationId), signal);
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
