/** What the operations on VMs work with. */

import { isCorralError } from '@corral/core/errors';
import { Turns } from '@corral/core/turns';
import { isLegal, type VmAction, vmActions } from '@corral/core/vm-actions';
import type { QmpClient } from '@corral/qmp/qmp-client';
import type { ChainKeeper } from '../chain/chain-keeper.ts';
import type { ChainRecords } from '../chain/chain-records.ts';
import type { UserfaultfdLender } from '../checkpoint/lend-userfaultfd.ts';
import type { VmScopes } from '../control-group/vm-scopes.ts';
import type { DataDirectory } from '../data-directory.ts';
import { vmErrors } from '../errors.ts';
import type { AgentChannels } from '../guest/agent-channels.ts';
import type { Logger } from '../logger.ts';
import type { PointServers } from '../restore/point-servers.ts';
import type { Volumes } from '../volume/volumes.ts';
import type { LaunchHost } from './launch.ts';
import { writeSettingsFile } from './settings-file.ts';
import type { EmitEvent } from './vm-events.ts';
import type { VmRecord, VmRecords } from './vm-record.ts';
import type { VmSupervisor } from './vm-supervisor.ts';

export interface VmHost {
  readonly directory: DataDirectory;
  readonly records: VmRecords;
  /** What holds chains of a VM's disks, and whoever merges layers that nobody needs. */
  readonly chainRecords: ChainRecords;
  readonly chains: ChainKeeper;
  /** Whether this host may write where a VM's files are, and whether there is room. */
  readonly volumes: Volumes;
  readonly userfaultfd: UserfaultfdLender;
  /** What serves the backups that disks still stand on. */
  readonly pointServers: PointServers;
  readonly supervisor: VmSupervisor;
  readonly scopes: VmScopes;
  readonly agents: AgentChannels;
  readonly emit: EmitEvent;
  readonly log: Logger;
  /** Lowest user id for VMs; null where the daemon is not root, and QEMU runs as its user. */
  readonly firstUid: number | null;
  /** The accelerator is found out by a trial at the first start. */
  readonly launchHost: () => Promise<LaunchHost>;
  /**
   * Begins `vm.start` as soon as the operation that asks for it lets go of the VM. Repeatable: the same operation begins
   * one start.
   *
   * @returns the id of the start
   */
  readonly queueStart: (
    vm: { readonly id: string; readonly name: string; readonly paused?: boolean },
    operationId: string,
    requestedBy: string,
  ) => Promise<string>;
}

/** @throws vm.illegal-state, which names the states in which the action is legal */
export function requireLegal(host: VmHost, record: VmRecord, action: VmAction): void {
  const { state } = host.supervisor.status(record);
  const { name } = record.settings;
  if (needsLocalDisks.has(action) && isStillCopied(record.settings)) {
    throw vmErrors['still-copied']({ vm: name, action });
  }
  if (isLegal(action, state)) return;
  throw vmErrors['illegal-state']({ vm: name, action, state, legalStates: vmActions[action] });
}

/** What reads or stacks the files of a VM's disks, or takes their place. */
const needsLocalDisks: ReadonlySet<VmAction> = new Set([
  'clone',
  'disk-remove',
  'disk-resize',
  'checkpoint-create',
  'checkpoint-apply',
  'checkpoint-delete',
  'backup',
  'restore',
  'reference-create',
  'changes-open',
]);

/** A disk of it still stands on a backup. */
export function isStillCopied({ disks }: Pick<VmRecord['settings'], 'disks'>): boolean {
  return disks.some(({ parents }) => parents.some(({ point }) => point !== undefined));
}

/** The monitor of a VM that runs, connected again where the daemon was restarted meanwhile. */
export async function monitorOf(host: VmHost, id: string, signal: AbortSignal): Promise<QmpClient> {
  const record = await host.records.get(id);
  if (!record.process) throw vmErrors['qemu-gone']({ vm: record.settings.name });
  return host.supervisor.attach(record, signal);
}

/** Whether an error only says that the VM's QEMU ended, or let go of its monitor, before or while it was asked. */
export function isQemuGone(cause: unknown): boolean {
  return ['qmp.connection-lost', 'qmp.closed', 'qmp.not-listening', 'vm.qemu-gone'].some((code) =>
    isCorralError(cause, code),
  );
}

/** A merge in the background changes a VM's settings beside other operations: the newest must be written last. */
const settingsTurns = new Turns();

/** Brings the file beside the disks up to what the store holds. Repeatable. */
export async function rewriteSettingsFile(host: VmHost, id: string): Promise<void> {
  const path = host.directory.vm(id).settings;
  await settingsTurns.take(path, async () => {
    const { settings } = await host.records.get(id);
    await writeSettingsFile(path, settings);
  });
}
