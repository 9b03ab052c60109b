/**
 * The process that serves a `ForgettingDisk`, one at a time. It is one of its own because the test reads files that lie
 * on the disk, and could not answer meanwhile.
 */
import { NbdServer } from '@corral/nbd/nbd-server';
import { type CutReport, ForgettingDisk } from './forgetting-disk.ts';

/** What the test sends. */
export type ServerCommand =
  | { readonly do: 'serve'; readonly socket: string }
  | { readonly do: 'cut'; readonly seed: number };

/** What it answers, one for each command. */
export type ServerAnswer = { readonly done: 'serving' } | ({ readonly done: 'cut' } & CutReport);

const disk = new ForgettingDisk(Number(process.argv[2]));
let server: NbdServer | null = null;

async function serve(socket: string): Promise<ServerAnswer> {
  await server?.close();
  disk.restorePower();
  const exports = new Map([['disk', disk]]);
  server = await NbdServer.listen({ path: socket, exports, onError: () => undefined });
  return { done: 'serving' };
}

process.on('message', async (command: ServerCommand) => {
  const answer: ServerAnswer =
    command.do === 'serve' ? await serve(command.socket) : { done: 'cut', ...disk.cut(command.seed) };
  process.send!(answer);
});
process.once('disconnect', () => process.exit());
