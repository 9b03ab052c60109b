/** Volumes that this host has lost, or on which little is left. */
import { formatSize } from '@corral/core/units';
import { reserveOf } from '../../volume/space-rules.ts';
import { type DoctorCheck, finding, healthy } from '../check.ts';

const title = 'Volumes';

export const checkVolumes: DoctorCheck = async ({ volumes }) => {
  const lost: string[] = [];
  const low: string[] = [];
  const details: string[] = [];
  const records = await volumes.records.list();
  for (const record of records) {
    const { name, root } = record;
    const { problem } = await volumes.standing(record);
    if (problem) {
      lost.push(name);
      details.push(problem.message);
      continue;
    }
    const space = await volumes.driver.space(root);
    const reserve = reserveOf(record.reserveBytes, space.totalBytes);
    const figures = `"${name}" has ${formatSize(space.freeBytes)} free and a reserve of ${formatSize(reserve)}`;
    if (space.freeBytes >= reserve) continue;
    low.push(name);
    details.push(`Volume ${figures}: new disks, copies and checkpoints on it are refused.`);
  }
  const detail = details.join(' ');
  if (lost.length > 0) {
    const fix = 'Mount it, add it again, or remove it ("corral volume show NAME" says what is wrong).';
    return finding('volumes', 'error', title, detail, fix, [...lost, ...low]);
  }
  if (low.length > 0) {
    const fix =
      'Free some space, or lower the reserve with "corral volume set NAME --reserve SIZE". VMs run on until the volume is full.';
    return finding('volumes', 'warning', title, detail, fix, low);
  }
  const count = records.length === 1 ? 'The volume belongs' : `All ${records.length} volumes belong`;
  return healthy('volumes', title, `${count} to this host, above the reserve.`);
};
