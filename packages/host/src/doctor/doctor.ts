/** Runs every check; one that fails is itself a finding and stops no other. */
import type { DoctorFinding, DoctorReport, DoctorSeverity } from '@corral/api/schemas/host';
import { type DoctorCheck, type DoctorContext, finding } from './check.ts';
import { checkControlGroups } from './checks/control-groups.ts';
import { checkForeignOpeners } from './checks/foreign-openers.ts';
import { checkLeftOvers } from './checks/left-overs.ts';
import { checkAccelerator, checkClock, checkUserfaultfd, checkVersions } from './checks/platform.ts';
import { checkLimits, checkMemoryReserve, checkSpace } from './checks/resources.ts';
import { checkVolumes } from './checks/volumes.ts';

export const doctorChecks: Readonly<Record<string, DoctorCheck>> = {
  accelerator: checkAccelerator,
  'memory-reserve': checkMemoryReserve,
  space: checkSpace,
  volumes: checkVolumes,
  clock: checkClock,
  versions: checkVersions,
  userfaultfd: checkUserfaultfd,
  limits: checkLimits,
  'control-groups': checkControlGroups,
  'foreign-openers': checkForeignOpeners,
  'left-overs': checkLeftOvers,
};

const severities: readonly DoctorSeverity[] = ['ok', 'note', 'warning', 'error'];

export async function examine(context: DoctorContext): Promise<DoctorReport> {
  const findings = await Promise.all(
    Object.entries(doctorChecks).map(([name, check]) => runCheck(name, check, context)),
  );
  const worst = Math.max(...findings.map(({ severity }) => severities.indexOf(severity)));
  return { checkedAt: new Date().toISOString(), worst: severities[worst]!, findings };
}

async function runCheck(name: string, check: DoctorCheck, context: DoctorContext): Promise<DoctorFinding> {
  try {
    return await check(context);
  } catch (cause) {
    const detail = `The check could not be made: ${(cause as Error).message}`;
    return finding(name, 'error', 'A check failed', detail, 'See the log of corrald for the cause.');
  }
}
