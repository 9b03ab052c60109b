/**
 * Asks at the terminal before something is lost, twice: the second time the name is typed, so that a habit of answering
 * "yes" is not enough.
 */

import type { Context } from '../../context.ts';
import { cliErrors } from '../../errors.ts';
import { formatTime } from '../../render/values.ts';

interface Loss {
  readonly vm: string;
  readonly backup: string;
  /** Of the backup. */
  readonly createdAt: string;
}

/** @returns what was typed. @throws cli.usage where nobody can be asked, or the answer is no */
export async function confirmedName(
  { io, signal }: Pick<Context, 'io' | 'signal'>,
  { backup, createdAt, vm }: Loss,
): Promise<string> {
  const see = 'corral restore --help';
  if (!io.stdin.isTTY || !io.stderr.isTTY) {
    const message = `What VM ${vm} holds now would be lost: say --confirm ${vm}.`;
    throw cliErrors.usage({ message, see });
  }
  const { createInterface } = await import('node:readline/promises');
  using terminal = createInterface({ input: io.stdin, output: io.stderr });
  const first = `All that VM ${vm} holds now is replaced by backup ${backup} of ${formatTime(createdAt)}. Go on? [y/N] `;
  const answer = (await terminal.question(first, { signal })).trim().toLowerCase();
  if (answer !== 'y' && answer !== 'yes')
    throw cliErrors.usage({ message: `VM ${vm} stays as it is: the answer was not yes.`, see });
  const second = `There is no way back but another backup. Type the name of the VM: `;
  return (await terminal.question(second, { signal })).trim();
}
