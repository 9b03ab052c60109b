/** Whether VMs of this host can have control groups of their own, and what is missing where they cannot. */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { unlessAbsent } from '../storage/unless-absent.ts';

export type ControlGroupSupport =
  | { readonly available: true; readonly reason: string }
  | { readonly available: false; readonly reason: string; readonly fix: string };

export interface ControlGroupFacts {
  readonly isRoot: boolean;
  readonly systemdRuns: boolean;
  /** Controllers of the unified hierarchy; null where control groups v2 are not mounted there. */
  readonly controllers: readonly string[] | null;
  readonly systemBusRuns: boolean;
}

const neededControllers = ['cpu', 'memory', 'pids'];

/** Pure. */
export function judgeSupport(facts: ControlGroupFacts): ControlGroupSupport {
  const missing = (reason: string, fix: string): ControlGroupSupport => ({ available: false, reason, fix });
  if (!facts.systemdRuns) {
    return missing('systemd does not run on this host.', 'Run corrald on a Debian that systemd has booted.');
  }
  if (!facts.isRoot) {
    return missing(
      'corrald does not run as root.',
      'Run corrald as root, as docs/howto/run-as-a-service.md says.',
    );
  }
  if (facts.controllers === null) {
    return missing(
      'The host mounts control groups of version 1.',
      'Remove "systemd.unified_cgroup_hierarchy=0" from the command line of the kernel, and restart the host.',
    );
  }
  const absent = neededControllers.filter((name) => !facts.controllers?.includes(name));
  if (absent.length > 0) {
    return missing(
      `The kernel has no controller for ${absent.join(', ')}.`,
      'Enable it on the command line of the kernel ("cgroup_enable=memory"), and restart the host.',
    );
  }
  if (!facts.systemBusRuns) {
    return missing('The system bus of D-Bus does not run.', 'Install the Debian package dbus.');
  }
  return { available: true, reason: 'Each VM has a scope of systemd below corral.slice.' };
}

/** @param root a test's, in place of the host's own */
export async function readControlGroupSupport(root = '/'): Promise<ControlGroupSupport> {
  const [systemd, controllers, bus] = await Promise.all([
    // sd_booted(3)
    unlessAbsent(stat(join(root, 'run/systemd/system')), null),
    unlessAbsent(readFile(join(root, 'sys/fs/cgroup/cgroup.controllers'), 'utf8'), null),
    unlessAbsent(stat(join(root, 'run/dbus/system_bus_socket')), null),
  ]);
  return judgeSupport({
    isRoot: process.getuid?.() === 0,
    systemdRuns: systemd !== null,
    controllers: controllers?.trim().split(' ') ?? null,
    systemBusRuns: bus !== null,
  });
}
