/**
 * A serial console between our own streams and a stream of bytes to the guest.
 *
 *   keyboard ──raw──▶ until Ctrl-] ──▶ guest        a terminal: ends with the key, or with the VM
 *   pipe, file ─────▶ until its end ─▶ guest        then until the guest has been silent for a while
 *   nothing                                         `--no-input`: ends with the VM
 */
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { type Io, write } from '../io.ts';
import { untilDetach } from './detach-key.ts';

export type ConsoleEnd = 'detached' | 'closed' | 'silent';

export interface ConsoleOptions {
  readonly input: 'keyboard' | 'pipe' | 'none';
  /** With a pipe: how long the guest must be silent after the input's end. In ms. */
  readonly lingerMs: number;
}

/**
 * ECMA-48 and xterm: attributes off, cursor shown, no bracketed paste, no mouse, the main screen. What ran in the
 * guest may have set any of them and cannot undo it any more.
 */
const terminalReset = '\u001b[0m\u001b[?25h\u001b[?2004l\u001b[?1000l\u001b[?47l';

/**
 * Runs until one side ends. The terminal is as before afterwards, and the stream closed.
 *
 * @throws the stream's failure; the reason of `io.signal`
 */
export async function consoleSession(guest: Duplex, io: Io, options: ConsoleOptions): Promise<ConsoleEnd> {
  const end = Promise.withResolvers<ConsoleEnd>();
  const silence = new Silence(options.lingerMs, () => end.resolve('silent'));
  const onAbort = (): void => end.reject(io.signal.reason);
  io.signal.addEventListener('abort', onAbort, { once: true });
  if (io.signal.aborted) onAbort();
  using _terminal = options.input === 'keyboard' ? rawTerminal(io) : undefined;
  try {
    guest.once('error', end.reject);
    toScreen(guest, io, () => silence.heard()).then(() => end.resolve('closed'), end.reject);
    if (options.input === 'keyboard') fromKeyboard(io, guest).then(() => end.resolve('detached'), end.reject);
    if (options.input === 'pipe') fromPipe(io, guest).then(() => silence.begin(), end.reject);
    return await end.promise;
  } finally {
    io.signal.removeEventListener('abort', onAbort);
    silence.end();
    io.stdin.pause();
    guest.destroy();
  }
}

async function toScreen(guest: Duplex, io: Io, onOutput: () => void): Promise<void> {
  for await (const piece of guest as AsyncIterable<Uint8Array>) {
    onOutput();
    await write(io.stdout, piece);
  }
}

async function fromKeyboard(io: Io, guest: Duplex): Promise<void> {
  for await (const piece of io.stdin) {
    const { forward, detached } = untilDetach(piece);
    await send(guest, forward);
    if (detached) return;
  }
}

async function fromPipe(io: Io, guest: Duplex): Promise<void> {
  for await (const piece of io.stdin) await send(guest, piece);
}

async function send(guest: Duplex, bytes: Uint8Array): Promise<void> {
  if (bytes.length > 0 && !guest.write(bytes)) await once(guest, 'drain');
}

/** Keys reach us one by one and unechoed, Ctrl-C among them, until it is disposed of. */
function rawTerminal(io: Io): Disposable {
  io.stdin.setRawMode?.(true);
  return {
    [Symbol.dispose]: () => {
      io.stdin.setRawMode?.(false);
      io.stdout.write(terminalReset);
    },
  };
}

/** Calls `onSilent` when nothing was heard for a while since `begin`. */
class Silence {
  readonly #ms: number;
  readonly #onSilent: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(ms: number, onSilent: () => void) {
    this.#ms = ms;
    this.#onSilent = onSilent;
  }

  begin(): void {
    this.#timer ??= setTimeout(this.#onSilent, this.#ms);
  }

  heard(): void {
    this.#timer?.refresh();
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
