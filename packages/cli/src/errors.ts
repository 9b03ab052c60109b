/**
 * Errors that the command line itself raises. Those of the daemon arrive as problem details and pass through, those
 * on the way to it come from the client.
 */
import { defineErrors, error } from '@corral/core/errors';

export const cliErrors = defineErrors('cli', {
  usage: error<{ message: string; see: string }>(
    400,
    'The command line is wrong',
    (p) => `${p.message} See "${p.see}".`,
  ),
  value: error<{ what: string; text: string; expected: string }>(
    400,
    'A value on the command line is wrong',
    (p) => `"${p.text}" is not ${p.what}. ${p.expected}`,
  ),
  file: error<{ path: string; action: string; reason: string }>(
    400,
    'A file named on the command line cannot be used',
    (p) => `Could not ${p.action} ${p.path}: ${p.reason}.`,
  ),
  'lost-daemon': error<{ what: string; forMs: number; fix: string }>(
    503,
    'The daemon did not come back',
    (p) =>
      `The daemon went away while ${p.what}, and did not come back within ${Math.round(p.forMs / 1000)} s. ${p.fix}`,
  ),
  'wait-limit': error<{ name: string; id: string; limit: string }>(
    504,
    'The operation takes longer than it was waited for',
    (p) =>
      `"${p.name}" has not ended within ${p.limit}. It goes on: follow it with "corral operation follow ${p.id}", or cancel it with "corral operation cancel ${p.id}".`,
  ),
  cancelled: error<{ name: string; id: string }>(
    409,
    'The operation was cancelled',
    (p) => `"${p.name}" was cancelled and what it had done was undone (operation ${p.id}).`,
  ),
  failed: error<{ name: string; id: string }>(
    500,
    'The operation failed',
    (p) => `"${p.name}" failed; "corral operation show ${p.id}" has what is known.`,
  ),
  'not-backed-up': error<{ failures: readonly string[]; of: number }>(
    500,
    'Not every VM was backed up',
    (p) => `${p.failures.length} of ${p.of} VMs were not backed up.\n${p.failures.join('\n')}`,
  ),
  stuck: error<{ id: string; detail: string }>(
    500,
    'The operation is stuck',
    (p) =>
      `${p.detail} The operation is stuck half-way; when the cause is gone, go on with "corral operation retry ${p.id}".`,
  ),
  'output-lost': error<{ vm: string }>(
    500,
    'Output was lost',
    (p) =>
      `The program in ${p.vm} wrote more than the guest agent keeps; what came behind the limit is lost. Let it write to a file, and fetch that with "corral vm guest get".`,
  ),
  'too-late': error<{ name: string; state: string }>(
    409,
    'Too late to cancel',
    (p) => `"${p.name}" was not cancelled: it had ${p.state} before.`,
  ),
  'console-closed': error<{ vm: string; reason: string }>(
    502,
    'The console broke off',
    (p) => `The console of ${p.vm} broke off: ${p.reason}.`,
  ),
  'disk-unsound': error<{ path: string }>(
    422,
    'The disk is not sound',
    (p) =>
      `${p.path} is not sound; what was found stands above. What can be repaired is repaired by "corral disk check --repair ${p.path}"; otherwise restore the file from a backup.`,
  ),
  'volume-unsound': error<{ volume: string }>(
    422,
    'A volume lacks what its VMs need',
    (p) =>
      `Volume ${p.volume} does not hold all that its VMs need; what was found stands above. Put the files back, or restore them from a backup.`,
  ),
  interrupted: error<{ message: string }>(499, 'Interrupted', (p) => p.message),
  terminated: error<{ message: string }>(499, 'Ended by a signal', (p) => p.message),
  'output-closed': error(499, 'The output was closed', () => 'The reader of the output went away.'),
});
