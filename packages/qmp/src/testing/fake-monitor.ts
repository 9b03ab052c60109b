/** For tests: a monitor that answers from a table. */
import { LinePeer, type PeerConnection, type PeerRequest } from './line-peer.ts';

export const GREETING = {
  QMP: { version: { qemu: { major: 7, minor: 2, micro: 22 }, package: 'Debian' }, capabilities: ['oob'] },
};

/** Returned by an answer: nothing is sent. */
export const SILENCE = Symbol('silence');

export class QmpRefusal {
  readonly error: { readonly class: string; readonly desc: string };
  constructor(desc: string, name = 'GenericError') {
    this.error = { class: name, desc };
  }
}

export type FakeAnswer = (args: Readonly<Record<string, unknown>>, connection: PeerConnection) => unknown;

export interface FakeMonitor extends AsyncDisposable {
  readonly path: string;
  readonly peer: LinePeer;
  /** The connection that was made last. */
  readonly connection: () => PeerConnection;
  emit(event: string, data?: unknown): void;
}

/** `answers` give the `return` of a command, a `QmpRefusal`, or `SILENCE`. Others answer `{}`. */
export async function startFakeMonitor(
  answers: Readonly<Record<string, FakeAnswer>> = {},
): Promise<FakeMonitor> {
  let last: PeerConnection | undefined;
  const peer = await LinePeer.start({
    onConnect: (connection) => {
      last = connection;
      connection.send(GREETING);
    },
    onRequest: (request, connection) => answer(answers, request, connection),
  });
  const connection = (): PeerConnection => {
    if (!last) throw new Error('nobody has connected');
    return last;
  };
  return {
    path: peer.path,
    peer,
    connection,
    emit: (event, data) =>
      connection().send({ event, data, timestamp: { seconds: 1_700_000_000, microseconds: 500_000 } }),
    [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
  };
}

function answer(
  answers: Readonly<Record<string, FakeAnswer>>,
  request: PeerRequest,
  connection: PeerConnection,
): void {
  const command = request.execute ?? request['exec-oob'] ?? '';
  const value = answers[command]?.(request.arguments ?? {}, connection) ?? {};
  if (value === SILENCE) return;
  if (value instanceof QmpRefusal) connection.send({ error: value.error, id: request.id });
  else connection.send({ return: value, id: request.id });
}
