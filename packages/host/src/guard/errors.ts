import { defineErrors, error } from '@corral/core/errors';

export const guardErrors = defineErrors('guard', {
  frozen: error<{ vm: string }>(
    409,
    'The guest is being frozen',
    (p) =>
      `The guest of VM "${p.vm}" is frozen for a backup or a checkpoint; its agent has no time for anything else. That takes seconds: try again.`,
  ),
  'not-frozen': error<{ vm: string; reason: string }>(
    409,
    'The guest could not be frozen',
    (p) =>
      `The file systems of VM "${p.vm}" could not be frozen: ${p.reason}. Install and start qemu-guest-agent in the guest, or ask for crash consistency ("--consistency crash").`,
  ),
  'no-hook': error<{ vm: string }>(
    409,
    'No application was asked to hold still',
    (p) =>
      `The file systems of VM "${p.vm}" were frozen, but no hook of its guest said that it had brought its applications to a halt. Put a hook into the guest (docs/howto/freeze-hooks.md), or ask for file system consistency ("--consistency filesystem").`,
  ),
  'thaw-failed': error<{ vm: string; reason: string }>(
    504,
    'The guest could not be thawed',
    (p) =>
      `The guest of VM "${p.vm}" did not answer when it was to be thawed: ${p.reason}. If it hangs, "corral vm reset ${p.vm}".`,
  ),
});
