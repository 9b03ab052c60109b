/** What a command says on standard output: the API's object for programs, a text for people. */
import type { Context } from './context.ts';
import { write } from './io.ts';
import type { Paint } from './render/paint.ts';
import { printable } from './render/printable.ts';

/** An object of the API, exactly. */
export function print(context: Context, value: unknown): Promise<void> {
  return write(context.io.stdout, `${JSON.stringify(value, null, 2)}\n`);
}

/** The same in one line, for streams: one object, one line. */
export function printCompact(context: Context, value: unknown): Promise<void> {
  return write(context.io.stdout, `${JSON.stringify(value)}\n`);
}

/** One line for people. */
export function printLine(context: Context, line: string): Promise<void> {
  return write(context.io.stdout, `${printable(line)}\n`);
}

/** `value` for programs, or what `view` makes of it for people. The view is loaded only when it is needed. */
export async function show<T>(
  context: Context,
  value: T,
  view: () => Promise<(value: T, paint: Paint) => string>,
): Promise<void> {
  if (context.output === 'json') return print(context, value);
  const render = await view();
  await write(context.io.stdout, render(value, context.paint));
}

/** `value` for programs, or one sentence for people. */
export function say(context: Context, value: unknown, sentence: string): Promise<void> {
  return context.output === 'json' ? print(context, value) : printLine(context, sentence);
}

/** A list that may be longer than fits into memory, in the form of the API's lists, written as it comes. */
export async function printStreamedList(context: Context, items: AsyncIterable<unknown>): Promise<void> {
  const { stdout } = context.io;
  let separator = '\n';
  await write(stdout, '{\n  "items": [');
  for await (const item of items) {
    await write(stdout, `${separator}    ${JSON.stringify(item)}`);
    separator = ',\n';
  }
  await write(stdout, `${separator === '\n' ? '' : '\n  '}],\n  "next": null\n}\n`);
}
