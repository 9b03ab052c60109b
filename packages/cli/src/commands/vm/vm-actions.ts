/** The actions that take nothing but a VM. In which states each is legal says the daemon (core/vm-actions). */
import type { Client } from '@corral/api/client.gen';
import type { CallOptions } from '@corral/api/client-types';
import type { Operation } from '@corral/api/schemas/operation';
import type { CommandDefinition } from '../../tree/command-tree.ts';
import { noWait, waitLimit } from '../wait-options.ts';
import { runVmOperation } from './vm-result.ts';

type Call = (client: Client, vm: string, options: CallOptions) => Promise<Operation>;

function action(verb: string, explains: string, description: string, call: Call): CommandDefinition {
  return {
    description,
    examples: [
      { command: `corral vm ${verb} web1`, explains },
      { command: `corral vm ${verb} web1 --no-wait`, explains: 'do not wait for it' },
    ],
    define: (command, context) => {
      command
        .argument('<vm>', 'name or id')
        .option(...noWait)
        .option(...waitLimit)
        .action(async (vm, choice) => {
          await runVmOperation(context, choice, (client) => call(client, vm, context.call), vm);
        });
    },
  };
}

export const vmStart = action(
  'start',
  'start it; a saved one goes on where it was',
  'Starts a VM that is off, or brings a saved one back to where it was. It has started when its processors run; whether its guest is up tells "corral vm guest info".',
  (client, vm, options) => client.vm.start(vm, options),
);

export const vmStop = action(
  'stop',
  'as if the power were cut',
  'Turns a VM off at once, as if the power were cut. What the guest had not written yet is lost; "corral vm shutdown" lets it end its work.',
  (client, vm, options) => client.vm.stop(vm, options),
);

export const vmPause = action(
  'pause',
  'it keeps its memory and does nothing',
  'Halts the processors of a running VM. It keeps its memory and goes on with "corral vm resume".',
  (client, vm, options) => client.vm.pause(vm, options),
);

export const vmResume = action(
  'resume',
  'go on where it was halted',
  'Lets a paused VM run on, also one that was paused by an I/O error or a full volume once that is mended.',
  (client, vm, options) => client.vm.resume(vm, options),
);

export const vmSave = action(
  'save',
  'its memory goes to disk',
  'Writes the memory of a VM to disk and ends its process. "corral vm start" brings it back to where it was, "corral vm discard-saved" throws the saved memory away.',
  (client, vm, options) => client.vm.save(vm, options),
);

export const vmDiscardSaved = action(
  'discard-saved',
  'the VM is then off',
  'Throws away the memory of a saved VM. Its disks are then as after a cut of the power.',
  (client, vm, options) => client.vm.discardSaved(vm, options),
);

export const vmReset = action(
  'reset',
  'as if its reset button were pressed',
  'Resets a VM as its reset button would. What the guest had not written yet is lost.',
  (client, vm, options) => client.vm.reset(vm, options),
);
