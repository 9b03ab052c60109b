/** Between the store's terms and etcd's messages. Pure. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { prefixEnd } from './check-transaction.ts';
import {
  Compare_CompareResult,
  Compare_CompareTarget,
  CompareSchema,
  type Compare as EtcdCompare,
  type Event,
  Event_EventType,
  type KeyValue,
  type RequestOpSchema,
  type ResponseHeader,
  type TxnRequest,
  TxnRequestSchema,
  type TxnResponse,
} from './etcd-rpc.gen.ts';
import type {
  Compare,
  StoreEntry,
  StoreEvent,
  Transaction,
  TransactionResult,
  TransactionStep,
} from './store.ts';

/** The store's keys stand in etcd under a prefix of their own. */
export class EtcdMessages {
  readonly #namespace: string;

  constructor(namespace: string) {
    this.#namespace = namespace;
  }

  key(key: string): Uint8Array {
    return Buffer.from(this.#namespace + key);
  }

  /** All keys with a prefix, after one of them or from the first. */
  range(prefix: string, after: string | null = null): { key: Uint8Array; rangeEnd: Uint8Array } {
    const end = prefixEnd(this.#namespace + prefix);
    const inside = after !== null && after >= prefix;
    const start = inside ? `${this.#namespace}${after}\0` : this.#namespace + prefix;
    // "\0" means from the first key, and to the last one (rpc.proto, RangeRequest).
    return { key: Buffer.from(start || '\0'), rangeEnd: Buffer.from(end ?? '\0') };
  }

  entry(kv: KeyValue): StoreEntry {
    return {
      key: this.#text(kv.key),
      value: Buffer.from(kv.value).toString(),
      createRevision: Number(kv.createRevision),
      modRevision: Number(kv.modRevision),
      leaseId: kv.lease === 0n ? null : String(kv.lease),
    };
  }

  event(event: Event): StoreEvent {
    const kv = event.kv!;
    if (event.type === Event_EventType.PUT) return { type: 'put', entry: this.entry(kv) };
    return { type: 'delete', key: this.#text(kv.key), modRevision: Number(kv.modRevision) };
  }

  transaction(transaction: Transaction): TxnRequest {
    return create(TxnRequestSchema, {
      compare: (transaction.compare ?? []).map((compare) => this.#compare(compare)),
      success: transaction.then.map((step) => this.#step(step)),
      failure: (transaction.else ?? []).map((step) => this.#step(step)),
    });
  }

  result(response: TxnResponse): TransactionResult {
    let changes = 0;
    const entries: (StoreEntry | null)[] = [];
    for (const { response: answer } of response.responses) {
      if (answer.case === 'responsePut') changes += 1;
      else if (answer.case === 'responseDeleteRange') changes += Number(answer.value.deleted);
      else if (answer.case === 'responseRange') {
        const [kv] = answer.value.kvs;
        entries.push(kv ? this.entry(kv) : null);
      }
    }
    return { succeeded: response.succeeded, revision: revisionOf(response.header), changes, entries };
  }

  #compare(compare: Compare): EtcdCompare {
    const key = this.key(compare.key);
    if ('modRevision' in compare) {
      // A key that is not there counts as 0 for etcd, so that 0 would hold for it; -1 never holds.
      const value = BigInt(compare.modRevision === 0 ? -1 : compare.modRevision);
      const targetUnion = { case: 'modRevision', value } as const;
      return create(CompareSchema, { key, target: Compare_CompareTarget.MOD, targetUnion });
    }
    if ('value' in compare) {
      const targetUnion = { case: 'value', value: Buffer.from(compare.value) } as const;
      return create(CompareSchema, { key, target: Compare_CompareTarget.VALUE, targetUnion });
    }
    const result = 'exists' in compare ? Compare_CompareResult.GREATER : Compare_CompareResult.EQUAL;
    const targetUnion = { case: 'createRevision', value: 0n } as const;
    return create(CompareSchema, { key, result, target: Compare_CompareTarget.CREATE, targetUnion });
  }

  #step(step: TransactionStep): MessageInitShape<typeof RequestOpSchema> {
    if ('put' in step) {
      const lease = BigInt(step.leaseId ?? 0);
      const value = { key: this.key(step.put), value: Buffer.from(step.value), lease };
      return { request: { case: 'requestPut', value } };
    }
    if ('get' in step) return { request: { case: 'requestRange', value: { key: this.key(step.get) } } };
    const value = 'delete' in step ? { key: this.key(step.delete) } : this.range(step.deletePrefix);
    return { request: { case: 'requestDeleteRange', value } };
  }

  #text(key: Uint8Array): string {
    return Buffer.from(key).toString().slice(this.#namespace.length);
  }
}

export function revisionOf(header: ResponseHeader | undefined): number {
  return Number(header?.revision ?? 0n);
}
