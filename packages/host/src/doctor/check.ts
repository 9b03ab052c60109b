/** A check of the doctor: looks at one thing that is known to break such hosts, and says how to mend it. */
import type { DoctorFinding, DoctorSeverity } from '@corral/api/schemas/host';
import type { ControlGroupSupport } from '../control-group/support.ts';
import type { DataDirectory } from '../data-directory.ts';
import type { VmRecord } from '../vm/vm-record.ts';
import type { Volumes } from '../volume/volumes.ts';

export interface DoctorContext {
  readonly directory: DataDirectory;
  readonly volumes: Volumes;
  readonly records: readonly VmRecord[];
  /** Ids of VMs that an operation is making or deleting: their files are no left-overs. */
  readonly busy: ReadonlySet<string>;
  readonly accelerator: { readonly kind: 'kvm' | 'tcg'; readonly reason: string };
  readonly controlGroups: ControlGroupSupport;
  readonly qemuVersion: string;
  /** Difference of the wall clock and the monotonic one when the daemon started, and now; ms. */
  readonly clockOffsetAtStartMs: number;
  readonly clockOffsetNowMs: number;
  /** Where the kernel tells of processes and settings; /proc, or a folder of a test. */
  readonly proc: string;
  /** Where its devices are; /dev, or a folder of a test. */
  readonly dev: string;
  readonly signal: AbortSignal;
}

export type DoctorCheck = (context: DoctorContext) => Promise<DoctorFinding>;

export function healthy(check: string, title: string, detail: string): DoctorFinding {
  return { check, severity: 'ok', title, detail, fix: null, things: [] };
}

export function finding(
  check: string,
  severity: Exclude<DoctorSeverity, 'ok'>,
  title: string,
  detail: string,
  fix: string,
  things: readonly string[] = [],
): DoctorFinding {
  return { check, severity, title, detail, fix, things: [...things] };
}
