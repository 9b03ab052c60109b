/** Asks at the terminal before something is lost: the name is typed, so that a habit of pressing "y" is not enough. */
import type { Context } from '../../context.ts';
import { cliErrors } from '../../errors.ts';

/** @returns what was typed. @throws cli.usage where nobody can be asked */
export async function confirmedName(context: Context, vm: string, backup: string): Promise<string> {
  const { io } = context;
  if (!io.stdin.isTTY || !io.stderr.isTTY) {
    throw cliErrors.usage({
      message: `What VM ${vm} holds now would be lost: say --confirm ${vm}.`,
      see: 'corral restore --help',
    });
  }
  const { createInterface } = await import('node:readline/promises');
  using terminal = createInterface({ input: io.stdin, output: io.stderr });
  const question = `All that VM ${vm} holds now is replaced by backup ${backup}. Type its name to go on: `;
  return (await terminal.question(question, { signal: context.signal })).trim();
}
