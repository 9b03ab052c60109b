/** When a guest's shell is there: its prompt on the serial port. */
import type { Readable } from 'node:stream';

/** Of the micro image's shell, as root. Not at the end of what came: a message of the kernel may follow it. */
const prompt = ':~# ';
const longestTail = 4096;

/** Reads until the prompt is seen. @throws Error when the stream ends before, or after `limitMs` */
export async function untilPrompt(serial: Readable, limitMs: number): Promise<void> {
  const timer = setTimeout(() => serial.destroy(new Error(`no prompt within ${limitMs} ms`)), limitMs);
  let tail = '';
  try {
    for await (const data of serial) {
      tail = (tail + String(data)).replaceAll('\r', '').slice(-longestTail);
      if (tail.includes(prompt)) return;
    }
    throw new Error(`the serial port was closed before a prompt; it ended with: ${tail.slice(-500)}`);
  } finally {
    clearTimeout(timer);
  }
}
