/** Whether each VM that runs has limits of its own: one that runs wild takes nothing from the others then. */
import { isInScope } from '../../control-group/scope.ts';
import { readCgroup } from '../../control-group/vm-scopes.ts';
import { type DoctorCheck, finding, healthy } from '../check.ts';

const title = 'Control groups';

export const checkControlGroups: DoctorCheck = async ({ controlGroups, proc, records }) => {
  if (!controlGroups.available) {
    const detail = `VMs run without limits of their own. ${controlGroups.reason}`;
    return finding('control-groups', 'note', title, detail, controlGroups.fix);
  }
  const outside: string[] = [];
  for (const { process, settings } of records) {
    const cgroup = process ? await readCgroup(proc, process.pid) : null;
    if (cgroup !== null && !isInScope(cgroup, settings.id)) outside.push(settings.name);
  }
  if (outside.length === 0) return healthy('control-groups', title, controlGroups.reason);
  return finding(
    'control-groups',
    'warning',
    title,
    `These VMs run without limits of their own: ${outside.join(', ')}.`,
    'See the log of corrald for what systemd answered; a restart of corrald tries again.',
    outside,
  );
};
