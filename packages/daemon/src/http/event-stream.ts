/** Server-sent events (WHATWG HTML, "Server-sent events"): frames, heartbeats, and no more than the client reads. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { StreamMessage } from './handler.ts';

export const heartbeatMs = 15_000;

/** Asks browsers to come back soon; the generated client has its own intervals. */
const preamble = 'retry: 1000\n\n';

export function frameOf(message: StreamMessage<unknown>): string {
  // JSON holds no line break, so one data line is enough.
  return `id: ${message.id}\nevent: ${message.event}\ndata: ${JSON.stringify(message.data)}\n\n`;
}

/**
 * Writes the messages until they end, the signal aborts or the client goes. After the last one comes the event `end`,
 * which tells a client that it need not come back; when the daemon stops it does not come.
 */
export async function writeEventStream(
  response: ServerResponse,
  messages: AsyncIterable<StreamMessage<unknown>>,
  signal: AbortSignal,
): Promise<void> {
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  const heartbeat = setInterval(() => response.write(':\n\n'), heartbeatMs);
  try {
    await write(response, preamble, signal);
    for await (const message of messages) await write(response, frameOf(message), signal);
    await write(response, 'event: end\ndata:\n\n', signal);
  } catch (cause) {
    // The client went away, or the daemon stops: both are the ordinary end of a stream.
    if (!signal.aborted) throw cause;
  } finally {
    clearInterval(heartbeat);
    response.end();
  }
}

async function write(response: ServerResponse, text: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (!response.write(text)) await once(response, 'drain', { signal });
}
