/**
 * Progress on standard error: one line that is rewritten on a terminal, a line for each step elsewhere. With
 * `-o json` and no terminal there is none, so that all of standard error is the problem object, if there is one.
 */
import type { Operation } from '@corral/api/schemas/operation';
import type { OutputFormat } from '../global-options.ts';
import type { Io } from '../io.ts';
import { printable } from '../render/printable.ts';
import { progressKey, progressText } from './progress-text.ts';

/** ECMA-48: back to the first column, erase to the end of the line. */
const clearLine = '\r\u001b[K';

export interface ProgressDisplay extends Disposable {
  show(operation: Operation): void;
  /** Something else to know meanwhile: that the daemon is away. */
  note(text: string): void;
}

export function progressDisplay(io: Io, format: OutputFormat): ProgressDisplay {
  if (io.stderr.isTTY) return new TerminalLine(io);
  return format === 'json' ? silent : new PlainLines(io);
}

const silent: ProgressDisplay = {
  show: () => undefined,
  note: () => undefined,
  [Symbol.dispose]: () => undefined,
};

class TerminalLine implements ProgressDisplay {
  readonly #io: Io;
  #shown = false;

  constructor(io: Io) {
    this.#io = io;
  }

  show(operation: Operation): void {
    this.note(progressText(operation));
  }

  note(text: string): void {
    // One column stays free: a full line would wrap and could not be erased.
    const width = Math.max(20, (this.#io.stderr.columns ?? 80) - 1);
    this.#io.stderr.write(clearLine + printable(text).slice(0, width));
    this.#shown = true;
  }

  [Symbol.dispose](): void {
    if (this.#shown) this.#io.stderr.write(clearLine);
  }
}

class PlainLines implements ProgressDisplay {
  readonly #io: Io;
  #key = '';
  #lastLine = '';

  constructor(io: Io) {
    this.#io = io;
  }

  show(operation: Operation): void {
    const key = progressKey(operation);
    if (key === this.#key) return;
    this.#key = key;
    this.note(progressText(operation));
  }

  note(text: string): void {
    // A daemon that is away is noted at each try.
    if (text === this.#lastLine) return;
    this.#lastLine = text;
    this.#io.stderr.write(`${printable(text)}\n`);
  }

  [Symbol.dispose](): void {
    // Lines stay where they are.
  }
}
