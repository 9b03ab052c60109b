/** Carries bytes between a WebSocket and a stream, in both directions, no faster than the slower side takes them. */
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createWebSocketStream, type WebSocket } from 'ws';

const pingMs = 30_000;

/** Resolves when either side has ended; both are closed then. */
export async function bridge(socket: WebSocket, stream: Duplex, signal: AbortSignal): Promise<void> {
  const stopPinging = keepAlive(socket);
  const client = createWebSocketStream(socket);
  const close = (): void => {
    client.destroy();
    stream.destroy();
  };
  signal.addEventListener('abort', close, { once: true });
  try {
    if (signal.aborted) close();
    await Promise.race([pipeline(stream, client), pipeline(client, stream)]);
  } catch (cause) {
    if (!isOrdinaryEnd(cause)) throw cause;
  } finally {
    signal.removeEventListener('abort', close);
    stopPinging();
    socket.close();
    stream.destroy();
  }
}

/** A client that answers no ping is gone: TCP alone would notice after hours. */
function keepAlive(socket: WebSocket): () => void {
  let isAnswered = true;
  socket.on('pong', () => {
    isAnswered = true;
  });
  const timer = setInterval(() => {
    if (!isAnswered) {
      socket.terminate();
      return;
    }
    isAnswered = false;
    socket.ping();
  }, pingMs);
  return () => clearInterval(timer);
}

/** One side hung up, which is how such a connection ends. */
function isOrdinaryEnd(cause: unknown): boolean {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return ['ERR_STREAM_PREMATURE_CLOSE', 'ECONNRESET', 'EPIPE', 'ERR_STREAM_DESTROYED'].includes(code);
}
