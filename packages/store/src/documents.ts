/**
 * JSON documents of one kind under one prefix. Each carries a generation that counts its changes (invariant 3); an
 * update is made from a document that was read, and is refused when somebody else changed it meanwhile.
 */
import { keyPart } from './check-transaction.ts';
import { storeErrors } from './errors.ts';
import type { CallOptions, Compare, Store, StoreEntry, Transaction, TransactionStep } from './store.ts';

export interface Document<T> {
  readonly id: string;
  readonly value: T;
  /** 1 when created, one more at each update. The ETag of the API. */
  readonly generation: number;
  /** Revision of the store in which it got this value. */
  readonly revision: number;
  readonly createRevision: number;
}

export interface DocumentPage<T> {
  readonly items: readonly Document<T>[];
  /** Id to pass as `after` for the next page; null at the end. */
  readonly next: string | null;
  readonly revision: number;
}

/** `document` is null when it was deleted. */
export interface DocumentChange<T> {
  readonly id: string;
  readonly document: Document<T> | null;
}

/** A part of a transaction, to be made one with others by `joinParts`. */
export interface TransactionPart {
  readonly compare: readonly Compare[];
  readonly then: readonly TransactionStep[];
}

export interface CollectionOptions<T> {
  /** For messages: "image". */
  readonly what: string;
  /** Ends in "/". */
  readonly prefix: string;
  /** The parse of a schema; throws what does not fit. Also the place to read older forms. */
  readonly parse: (json: unknown) => T;
}

/** Tries of `change` before it gives up against others who change the same document. */
const changeAttempts = 16;

export class Collection<T> {
  readonly #store: Store;
  readonly #options: CollectionOptions<T>;

  constructor(store: Store, options: CollectionOptions<T>) {
    this.#store = store;
    this.#options = options;
  }

  key(id: string): string {
    return this.#options.prefix + keyPart(id);
  }

  /** @throws store.bad-document */
  async find(id: string, options: CallOptions = {}): Promise<Document<T> | null> {
    const entry = await this.#store.get(this.key(id), options);
    return entry ? this.read(entry) : null;
  }

  /** @throws store.not-found, store.bad-document */
  async get(id: string, options: CallOptions = {}): Promise<Document<T>> {
    const document = await this.find(id, options);
    if (!document) throw storeErrors['not-found']({ what: this.#options.what, key: id });
    return document;
  }

  async list(options: CallOptions & { after?: string; limit?: number } = {}): Promise<DocumentPage<T>> {
    const { after, ...rest } = options;
    const page = await this.#store.list(this.#options.prefix, {
      ...rest,
      ...(after === undefined ? {} : { after: this.key(after) }),
    });
    const items = page.entries.map((entry) => this.read(entry));
    return { items, next: page.more ? (items.at(-1)?.id ?? null) : null, revision: page.revision };
  }

  /** Every document, page by page; changes meanwhile may or may not be seen. */
  async *all(options: CallOptions = {}): AsyncGenerator<Document<T>> {
    let after: string | null = null;
    do {
      const page: DocumentPage<T> = await this.list({ ...options, limit: 500, ...(after ? { after } : {}) });
      yield* page.items;
      after = page.next;
    } while (after !== null);
  }

  /** Changes after a revision: those of one transaction together. Ends as `Store.watch` does. */
  async *watch(options: {
    afterRevision: number;
    signal?: AbortSignal;
  }): AsyncGenerator<{ readonly revision: number; readonly changes: readonly DocumentChange<T>[] }> {
    for await (const { revision, events } of this.#store.watch(this.#options.prefix, options)) {
      const changes = events.map((event) =>
        event.type === 'put'
          ? { id: this.#idOf(event.entry.key), document: this.read(event.entry) }
          : { id: this.#idOf(event.key), document: null },
      );
      yield { revision, changes };
    }
  }

  /** @throws store.exists */
  async create(id: string, value: T, options: CallOptions = {}): Promise<Document<T>> {
    const result = await this.#store.transact(joinParts([this.creating(id, value)]), options);
    if (!result.succeeded) throw storeErrors.exists({ what: this.#options.what, key: id });
    return { id, value, generation: 1, revision: result.revision, createRevision: result.revision };
  }

  /** @throws store.conflict when the document is not any more as it was read */
  async update(document: Document<T>, value: T, options: CallOptions = {}): Promise<Document<T>> {
    const result = await this.#store.transact(joinParts([this.updating(document, value)]), options);
    if (!result.succeeded) throw this.conflict(document.id);
    return { ...document, value, generation: document.generation + 1, revision: result.revision };
  }

  /**
   * Reads, changes and writes, again when somebody was faster. For changes that fit any state; a change that a
   * person made of what they saw goes through `update`.
   *
   * @throws store.not-found, store.conflict after many tries, and what `mutate` throws
   */
  async change(id: string, mutate: (value: T) => T, options: CallOptions = {}): Promise<Document<T>> {
    for (let attempt = 0; attempt < changeAttempts; attempt += 1) {
      const document = await this.get(id, options);
      const value = mutate(document.value);
      const result = await this.#store.transact(joinParts([this.updating(document, value)]), options);
      if (result.succeeded) {
        return { ...document, value, generation: document.generation + 1, revision: result.revision };
      }
    }
    throw this.conflict(id);
  }

  /** @throws store.conflict */
  async delete(document: Document<T>, options: CallOptions = {}): Promise<void> {
    const result = await this.#store.transact(joinParts([this.deleting(document)]), options);
    if (!result.succeeded) throw this.conflict(document.id);
  }

  /** Parts of larger transactions. Whoever joins them tells from what was read which one did not hold. */
  creating(id: string, value: T): TransactionPart {
    const key = this.key(id);
    return { compare: [{ key, absent: true }], then: [{ put: key, value: envelope(1, value) }] };
  }

  updating(document: Document<T>, value: T): TransactionPart {
    const put = { put: this.key(document.id), value: envelope(document.generation + 1, value) };
    return { compare: this.unchanged(document).compare, then: [put] };
  }

  deleting(document: Document<T>): TransactionPart {
    return { compare: this.unchanged(document).compare, then: [{ delete: this.key(document.id) }] };
  }

  unchanged(document: Document<T>): TransactionPart {
    return { compare: [{ key: this.key(document.id), modRevision: document.revision }], then: [] };
  }

  conflict(id: string): Error {
    return storeErrors.conflict({ what: this.#options.what, key: id });
  }

  /** A document from its entry. @throws store.bad-document */
  read(entry: StoreEntry): Document<T> {
    const id = this.#idOf(entry.key);
    try {
      const { generation, value } = openEnvelope(entry.value);
      const { modRevision, createRevision } = entry;
      return { id, value: this.#options.parse(value), generation, revision: modRevision, createRevision };
    } catch (cause) {
      const detail = (cause instanceof Error ? cause.message : String(cause)).slice(0, 300);
      throw storeErrors['bad-document']({ what: this.#options.what, key: id, detail }, { cause });
    }
  }

  #idOf(key: string): string {
    return decodeURIComponent(key.slice(this.#options.prefix.length));
  }
}

/** One transaction of several parts: all hold and happen, or nothing does. */
export function joinParts(parts: readonly TransactionPart[]): Transaction {
  return { compare: parts.flatMap((part) => part.compare), then: parts.flatMap((part) => part.then) };
}

/**
 * A change that a person bases on what they saw (If-Match).
 *
 * @throws store.conflict when the document has moved on
 */
export function checkGeneration<T>(
  what: string,
  document: Document<T>,
  generation: number | undefined,
): void {
  if (generation === undefined || generation === document.generation) return;
  throw storeErrors.conflict({ what, key: document.id });
}

function envelope(generation: number, value: unknown): string {
  return JSON.stringify({ generation, value });
}

function openEnvelope(text: string): { generation: number; value: unknown } {
  const json: unknown = JSON.parse(text);
  if (typeof json !== 'object' || json === null || !('generation' in json) || !('value' in json)) {
    throw new Error('it is no document');
  }
  if (typeof json.generation !== 'number') throw new Error('its generation is no number');
  return { generation: json.generation, value: json.value };
}
