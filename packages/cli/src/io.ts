/** What a run of `corral` touches of its process, so that tests can run it within their own. */
import type { Readable, Writable } from 'node:stream';

/** A stream that may be a terminal, as `tty.WriteStream` is. */
export type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** `setRawMode` is there when it is a terminal, as in `tty.ReadStream`. */
export type Input = Readable &
  AsyncIterable<Uint8Array> & { readonly isTTY?: boolean; setRawMode?(raw: boolean): unknown };

export interface Io {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly currentDirectory: string;
  /** Aborts at SIGINT with cli.interrupted, at SIGTERM and SIGHUP with cli.terminated. */
  readonly signal: AbortSignal;
}

/** Resolves when the stream took the text; a reader that went away rejects with the system's EPIPE. */
export function write(stream: Writable, text: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => (error ? reject(error) : resolve()));
  });
}

/** Whether to colour: only for a terminal, never against NO_COLOR (no-color.org) or on a dumb one. */
export function wantsColour(stream: Output, env: Io['env']): boolean {
  return stream.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
}
