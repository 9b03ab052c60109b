/**
 * What a failed call to etcd means. The one question that matters: did it take place?
 *
 * - `answer`: etcd said no. It did not.
 * - `not-done`: it did not, and another try, perhaps at another member, may succeed.
 * - `lost`: nobody knows.
 */
import { Code, ConnectError } from '@connectrpc/connect';

export type EtcdAnswer = 'compacted' | 'future' | 'lease-gone' | 'quota' | 'refused';

export type EtcdFailure =
  | { readonly kind: 'answer'; readonly answer: EtcdAnswer; readonly detail: string }
  | { readonly kind: 'not-done' }
  | { readonly kind: 'lost' };

/** Texts of etcd's errors (api/v3rpc/rpctypes/error.go); they have no codes of their own beside gRPC's. */
const answers: readonly (readonly [string, EtcdAnswer])[] = [
  ['required revision has been compacted', 'compacted'],
  ['required revision is a future revision', 'future'],
  ['requested lease not found', 'lease-gone'],
  ['database space exceeded', 'quota'],
];

/** Said before anything is proposed to the members: the check for require-leader, and the limit of the backlog. */
const beforeProposal = ['etcdserver: no leader', 'etcdserver: not capable', 'etcdserver: too many requests'];

const refusals = new Set([
  Code.InvalidArgument,
  Code.FailedPrecondition,
  Code.PermissionDenied,
  Code.Unauthenticated,
  Code.Unimplemented,
]);

export function etcdFailure(cause: unknown): EtcdFailure {
  const { code, rawMessage } = ConnectError.from(cause);
  const answer = answers.find(([text]) => rawMessage.includes(text))?.[1];
  if (answer) return { kind: 'answer', answer, detail: rawMessage };
  if (refusals.has(code)) return { kind: 'answer', answer: 'refused', detail: rawMessage };
  if (beforeProposal.includes(rawMessage)) return { kind: 'not-done' };
  return { kind: 'lost' };
}
