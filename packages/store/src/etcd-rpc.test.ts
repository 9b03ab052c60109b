/** The generated messages, the translation into them, and what failures mean: all without an etcd. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { etcdFailure } from './etcd-failure.ts';
import { EtcdMessages } from './etcd-messages.ts';
import { TxnResponseSchema } from './etcd-rpc.gen.ts';

test('the generated messages belong to their source', async () => {
  const source = await readFile(join(import.meta.dirname, '../proto/etcd.proto'), 'utf8');
  const generated = await readFile(join(import.meta.dirname, 'etcd-rpc.gen.ts'), 'utf8');
  const hash = createHash('sha256').update(source).digest('hex');
  assert.ok(
    generated.startsWith(`// sha256 of etcd.proto: ${hash}\n`),
    'run node packages/store/proto/generate.ts',
  );
});

describe('what a failure means', () => {
  const cases: readonly (readonly [string, Code, string])[] = [
    ['etcdserver: mvcc: required revision has been compacted', Code.OutOfRange, 'compacted'],
    ['etcdserver: mvcc: required revision is a future revision', Code.OutOfRange, 'future'],
    ['etcdserver: requested lease not found', Code.NotFound, 'lease-gone'],
    ['etcdserver: mvcc: database space exceeded', Code.ResourceExhausted, 'quota'],
    ['etcdserver: duplicate key given in txn request', Code.InvalidArgument, 'refused'],
    ['etcdserver: permission denied', Code.PermissionDenied, 'refused'],
    ['etcdserver: no leader', Code.Unavailable, 'not-done'],
    ['etcdserver: too many requests', Code.ResourceExhausted, 'not-done'],
    ['etcdserver: request timed out', Code.Unavailable, 'lost'],
    ['etcdserver: request timed out, possibly due to previous leader failure', Code.Unavailable, 'lost'],
    ['etcdserver: leader changed', Code.Unavailable, 'lost'],
    ['etcdserver: server stopped', Code.Unavailable, 'lost'],
    ['the operation timed out', Code.DeadlineExceeded, 'lost'],
    ['read ECONNRESET', Code.Aborted, 'lost'],
  ];
  for (const [text, code, expected] of cases) {
    test(text, () => {
      const failure = etcdFailure(new ConnectError(text, code));
      assert.equal(failure.kind === 'answer' ? failure.answer : failure.kind, expected);
    });
  }
});

describe('messages', () => {
  const messages = new EtcdMessages('c/');
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

  test('ranges end where the prefix does', () => {
    const ends = (prefix: string, namespace = 'c/') => {
      const { key, rangeEnd } = new EtcdMessages(namespace).range(prefix);
      return [text(key), text(rangeEnd)];
    };
    assert.deepEqual(ends('a/'), ['c/a/', 'c/a0']);
    assert.deepEqual(ends(''), ['c/', 'c0']);
    assert.deepEqual(ends('~'), ['c/~', 'c/\x7f']);
    assert.deepEqual(ends('', ''), ['\0', '\0']);
    assert.equal(text(messages.range('a/', 'a/b').key), 'c/a/b\0');
    assert.equal(text(messages.range('a/', 'a').key), 'c/a/');
  });

  test('a condition on revision 0 never holds, though etcd counts a missing key as 0', () => {
    const { compare } = messages.transaction({ compare: [{ key: 'a', modRevision: 0 }], then: [] });
    assert.deepEqual(compare[0]?.targetUnion, { case: 'modRevision', value: -1n });
  });

  test('a result counts what was put and deleted, and gives what was read', () => {
    const kv = {
      key: Buffer.from('c/a'),
      value: Buffer.from('v'),
      createRevision: 3n,
      modRevision: 7n,
      lease: 5n,
    };
    const response = create(TxnResponseSchema, {
      succeeded: true,
      header: { revision: 9n },
      responses: [
        { response: { case: 'responsePut', value: {} } },
        { response: { case: 'responseDeleteRange', value: { deleted: 2n } } },
        { response: { case: 'responseRange', value: { kvs: [kv] } } },
        { response: { case: 'responseRange', value: { kvs: [] } } },
      ],
    });
    const entry = { key: 'a', value: 'v', createRevision: 3, modRevision: 7, leaseId: '5' };
    assert.deepEqual(messages.result(response), {
      succeeded: true,
      revision: 9,
      changes: 3,
      entries: [entry, null],
    });
  });
});
