/** What a fork is to be whose files somebody reads afterwards: checked before an operation begins. */

import { newId } from '@corral/core/ids';
import { requireFreezable } from '../guard/frozen-guest.ts';
import { requireLegal, type VmHost } from '../vm/vm-host.ts';
import { trackingErrors } from './errors.ts';
import { type ForkInput, requireOwnContent } from './fork-steps.ts';
import type { ReferenceRecord } from './reference-record.ts';
import { findReference } from './reference-service.ts';

export interface HeldForkRequest {
  /** Reference point, name or id. */
  readonly since?: string | undefined;
  /** Name of a new reference point. */
  readonly reference?: string | undefined;
  readonly consistency?: NonNullable<ForkInput['consistency']> | undefined;
  readonly freezeLimitMs: number;
}

export interface HeldFork extends Omit<ForkInput, 'pin'> {
  readonly since: ReferenceRecord | null;
}

/**
 * @param vm name or id
 * @throws vm.not-found; vm.illegal-state; tracking.being-restored, reference-not-found, reference-exists; what
 * `requireFreezable` throws
 */
export async function planHeldFork(host: VmHost, vm: string, request: HeldForkRequest): Promise<HeldFork> {
  const record = await host.records.get(vm);
  requireLegal(host, record, 'changes-open');
  requireOwnContent(record.settings);
  await requireFreezable(host, record, request.consistency);
  const { id: vmId, name: vmName } = record.settings;
  const { references } = await host.chainRecords.read(vmId);
  const since = request.since === undefined ? null : findReference(references, vmName, request.since);
  if (references.some(({ name }) => name === request.reference)) {
    throw trackingErrors['reference-exists']({ vm: vmName, reference: request.reference! });
  }
  return {
    vmId,
    vmName,
    since,
    reference: request.reference === undefined ? null : { id: newId(), name: request.reference },
    consistency: request.consistency ?? null,
    freezeLimitMs: request.freezeLimitMs,
  };
}
