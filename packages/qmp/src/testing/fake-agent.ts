/** For tests: a guest agent that answers from a table, and syncs as the real one does unless told otherwise. */
import { LinePeer, type PeerConnection } from './line-peer.ts';

/** Returned by an answer: nothing is sent. */
export const SILENCE = Symbol('silence');

export class AgentRefusal {
  readonly error: { readonly class: string; readonly desc: string };
  constructor(desc: string, name = 'GenericError') {
    this.error = { class: name, desc };
  }
}

/** Sent as it is. */
export class Raw {
  readonly bytes: string | Uint8Array;
  constructor(bytes: string | Uint8Array) {
    this.bytes = bytes;
  }
}

export type FakeAgentAnswer = (
  args: Readonly<Record<string, unknown>>,
  connection: PeerConnection,
) => unknown;

/** `answers` give the `return` of a command, an `AgentRefusal`, `Raw` bytes, or `SILENCE`. Others answer `{}`. */
export function startFakeAgent(answers: Readonly<Record<string, FakeAgentAnswer>> = {}): Promise<LinePeer> {
  return LinePeer.start({
    onRequest: (request, connection) => {
      const command = request.execute ?? '';
      const args = request.arguments ?? {};
      const value = answers[command] ? answers[command](args, connection) : defaultAnswer(command, args);
      if (value === SILENCE) return;
      if (value instanceof Raw) connection.send(value.bytes);
      else if (value instanceof AgentRefusal) connection.send({ error: value.error });
      else connection.send({ return: value });
    },
  });
}

export function defaultAnswer(command: string, args: Readonly<Record<string, unknown>>): unknown {
  if (command === 'guest-sync') return args['id'];
  if (command !== 'guest-sync-delimited') return {};
  const answer = Buffer.from(`${JSON.stringify({ return: args['id'] })}\n`);
  return new Raw(Buffer.concat([Buffer.of(0xff), answer]));
}
