/**
 * The monitor's commands that Corral uses, by name: arguments and returns, as QEMU 7.2 and newer have them
 * (QEMU's qapi/*.json). A member that only newer binaries know is optional here; ask `QmpFeatures` before using it.
 */
import type { BlockCommands } from './commands/block.ts';
import type { Command } from './commands/command.ts';
import type { DeviceCommands } from './commands/device.ts';
import type { MachineCommands } from './commands/machine.ts';
import type { MigrationCommands } from './commands/migration.ts';

export interface QmpCommands extends MachineCommands, BlockCommands, DeviceCommands, MigrationCommands {}

export type QmpCommandName = keyof QmpCommands;

export type QmpArguments<C extends QmpCommandName> =
  QmpCommands[C] extends Command<infer A, unknown> ? A : never;

export type QmpReturns<C extends QmpCommandName> =
  QmpCommands[C] extends Command<unknown, infer R> ? R : never;
