/** The event log over the store; layout and invariants are in docs/formats/events.md. */
import { apiErrors } from '@corral/api/errors';
import { Event, type EventFollowQuery, type EventListQuery } from '@corral/api/schemas/event';
import { isCorralError } from '@corral/core/errors';
import {
  type EventArguments,
  type EventData,
  type EventSubject,
  type EventType,
  eventDefinition,
  eventSeverities,
} from '@corral/core/events';
import { newId } from '@corral/core/ids';
import { storeErrors } from '@corral/store/errors';
import type { Compare, Store, StoreEntry, WatchBatch } from '@corral/store/store';
import type { Logger } from './logger.ts';

export interface EventLogOptions {
  readonly store: Store;
  /** Name of this node, kept with each event. */
  readonly node: string;
  readonly log: Logger;
  /** Newest events that are kept. */
  readonly maxCount?: number;
  readonly maxAgeMs?: number;
  /** Milliseconds since 1970, for the times of events. */
  readonly now?: () => number;
}

interface Head {
  readonly seq: number;
  /** Of the key; 0 while there is none. */
  readonly modRevision: number;
}

interface EventPage {
  readonly items: Event[];
  readonly next: string | null;
}

const headKey = 'events/head';
const logPrefix = 'events/log/';
/** Old events are looked for whenever so many have come. */
const trimInterval = 64;
/** Entries read at a time, and deleted in one transaction. */
const chunk = 100;
const day = 86_400_000;

export class EventLog {
  readonly #options: Required<EventLogOptions>;
  /** Appends take turns: each needs the head that the one before it wrote. */
  #turn: Promise<unknown> = Promise.resolve();
  #head: Head | null = null;

  constructor(options: EventLogOptions) {
    this.#options = { maxCount: 10_000, maxAgeMs: 90 * day, now: Date.now, ...options };
  }

  /** Keeps an event; resolves when the store has it. */
  append<T extends EventType>(type: T, subject: EventSubject, ...data: EventArguments<T>): Promise<Event> {
    return this.appendUntyped(type, subject, data[0] ?? {});
  }

  /** `append` for those who hold type and data apart. The data must be what the type's message names. */
  appendUntyped(type: EventType, subject: EventSubject, data: EventData): Promise<Event> {
    const appended = this.#turn.then(() => this.#append(type, subject, data));
    // The caller gets the failure; the next append starts afresh.
    this.#turn = appended.catch(() => undefined);
    return appended;
  }

  /** Resolves when all that was appended before has been stored or has failed. */
  async settled(): Promise<void> {
    await this.#turn;
  }

  async list(query: EventListQuery): Promise<EventPage> {
    return query.order === 'oldest' ? this.#listForward(query) : this.#listBackward(query);
  }

  /**
   * Events after `query.after`, or from now on, until the signal aborts (the iteration rejects with its reason).
   *
   * @throws api.history-gone when events after it are no longer kept, at once or while it is read
   */
  async follow(query: EventFollowQuery, signal: AbortSignal): Promise<AsyncIterable<Event>> {
    const from = query.after ?? (await this.#readHead(signal)).seq;
    await this.#checkHistory(from, signal);
    return this.#follow(from, query, signal);
  }

  async #append(type: EventType, subject: EventSubject, data: EventData): Promise<Event> {
    const id = newId();
    for (;;) {
      const head = this.#head ?? (await this.#readHead());
      const event = this.#event(id, head.seq + 1, type, subject, data);
      const next = await this.#put(head, event);
      this.#head = next;
      if (next?.seq !== event.seq) continue;
      if (event.seq % trimInterval === 0) await this.#trimOrLog(event.seq);
      return event;
    }
  }

  #event(id: string, seq: number, type: EventType, subject: EventSubject, data: EventData): Event {
    const { severity, title, message } = eventDefinition(type);
    const createdAt = new Date(this.#options.now()).toISOString();
    return {
      seq,
      id,
      name: title,
      type,
      severity,
      createdAt,
      subject: { ...subject },
      node: this.#options.node,
      message: message(subject.name, data),
      data: { ...data } as Event['data'],
    };
  }

  /** @returns the head after it; null when it has to be read again because somebody else wrote */
  async #put(head: Head, event: Event): Promise<Head | null> {
    const compare: Compare =
      head.modRevision === 0
        ? { key: headKey, absent: true }
        : { key: headKey, modRevision: head.modRevision };
    try {
      const result = await this.#options.store.transact({
        compare: [compare],
        then: [
          { put: keyOf(event.seq), value: JSON.stringify(event) },
          { put: headKey, value: JSON.stringify({ seq: event.seq }) },
        ],
      });
      return result.succeeded ? { seq: event.seq, modRevision: result.revision } : null;
    } catch (cause) {
      if (!isCorralError(cause, storeErrors['unknown-outcome'].code)) throw cause;
      const entry = await this.#options.store.get(keyOf(event.seq));
      return entry && parseEvent(entry).id === event.id ? this.#readHeadOf(event.seq) : null;
    }
  }

  /** The head when our own event is known to be stored: perhaps somebody wrote after it, so only `seq` is ours. */
  async #readHeadOf(seq: number): Promise<Head> {
    const head = await this.#readHead();
    // A modRevision that is too old only makes the next transaction fail and read again.
    return { seq, modRevision: head.modRevision };
  }

  async #readHead(signal?: AbortSignal): Promise<Head> {
    const entry = await this.#options.store.get(headKey, signal ? { signal } : {});
    if (!entry) return { seq: 0, modRevision: 0 };
    const seq: unknown = JSON.parse(entry.value).seq;
    if (!Number.isSafeInteger(seq)) throw badDocument(entry, 'no number');
    return { seq: seq as number, modRevision: entry.modRevision };
  }

  async #oldest(signal?: AbortSignal): Promise<number | null> {
    const { entries } = await this.#options.store.list(logPrefix, { limit: 1, ...(signal && { signal }) });
    return entries[0] ? seqOf(entries[0].key) : null;
  }

  /** Invariant 3 of the format: what follows `from` must be there without a gap. */
  async #checkHistory(from: number, signal: AbortSignal): Promise<void> {
    const { store } = this.#options;
    // The head first: events that come in between only make the range found longer.
    const head = await this.#readHead(signal);
    const { entries } = await store.list(logPrefix, { after: keyOf(from), limit: 1, signal });
    const found = entries[0] ? seqOf(entries[0].key) : null;
    if (found === from + 1 || (found === null && head.seq === from)) return;
    throw historyGone(from, (await this.#oldest(signal)) ?? head.seq + 1);
  }

  async *#follow(from: number, query: EventFollowQuery, signal: AbortSignal): AsyncGenerator<Event> {
    let last = from;
    for await (const entry of this.#entriesAfter(from, signal)) {
      const event = parseEvent(entry);
      if (event.seq !== last + 1) throw historyGone(last, event.seq);
      last = event.seq;
      if (matches(event, query)) yield event;
    }
  }

  /** Present entries, then those that come. Falls back on reading when the watch is too far behind. */
  async *#entriesAfter(from: number, signal: AbortSignal): AsyncGenerator<StoreEntry> {
    const { store } = this.#options;
    let last = keyOf(from);
    for (;;) {
      const page = await store.list(logPrefix, { after: last, limit: chunk, signal });
      for (const entry of page.entries) {
        last = entry.key;
        yield entry;
      }
      if (page.more) continue;
      try {
        for await (const batch of store.watch(logPrefix, { afterRevision: page.revision, signal })) {
          for (const entry of putsOf(batch)) {
            last = entry.key;
            yield entry;
          }
        }
      } catch (cause) {
        if (!isCorralError(cause, storeErrors.compacted.code)) throw cause;
      }
    }
  }

  async #listForward(query: EventListQuery): Promise<EventPage> {
    const items: Event[] = [];
    let after = keyOf(query.after === undefined ? 0 : seqCursor(query.after));
    for (;;) {
      const page = await this.#options.store.list(logPrefix, { after, limit: chunk });
      for (const entry of page.entries) {
        after = entry.key;
        const event = parseEvent(entry);
        if (!matches(event, query)) continue;
        if (items.length === query.limit) return { items, next: String(items.at(-1)!.seq) };
        items.push(event);
      }
      if (!page.more) return { items, next: null };
    }
  }

  async #listBackward(query: EventListQuery): Promise<EventPage> {
    const items: Event[] = [];
    const end = (await this.#readHead()).seq + 1;
    let before = query.after === undefined ? end : Math.min(end, seqCursor(query.after));
    const oldest = (await this.#oldest()) ?? before;
    while (before > oldest) {
      const first = Math.max(oldest, before - chunk);
      const limit = before - first;
      const page = await this.#options.store.list(logPrefix, { after: keyOf(first - 1), limit });
      const events = page.entries.map(parseEvent).filter((event) => event.seq < before);
      for (const event of events.reverse().filter((candidate) => matches(candidate, query))) {
        if (items.length === query.limit) return { items, next: String(items.at(-1)!.seq) };
        items.push(event);
      }
      before = first;
    }
    return { items, next: null };
  }

  /** The event itself is stored: that old ones could not be deleted must not make its append fail. */
  async #trimOrLog(head: number): Promise<void> {
    try {
      await this.#trim(head);
    } catch (cause) {
      this.#options.log.warn({ err: cause }, 'old events could not be deleted; the next try follows');
    }
  }

  async #trim(head: number): Promise<void> {
    const { store, maxAgeMs, maxCount, now } = this.#options;
    const oldestTime = now() - maxAgeMs;
    for (;;) {
      const { entries } = await store.list(logPrefix, { limit: chunk });
      const old = entries.filter((entry) => {
        const event = parseEvent(entry);
        return event.seq <= head - maxCount || Date.parse(event.createdAt) < oldestTime;
      });
      if (old.length > 0) await store.transact({ then: old.map((entry) => ({ delete: entry.key })) });
      if (old.length < chunk) return;
    }
  }
}

function keyOf(seq: number): string {
  return `${logPrefix}${String(seq).padStart(16, '0')}`;
}

function seqOf(key: string): number {
  return Number(key.slice(logPrefix.length));
}

function putsOf(batch: WatchBatch): StoreEntry[] {
  return batch.events.flatMap((event) => (event.type === 'put' ? [event.entry] : []));
}

function parseEvent(entry: StoreEntry): Event {
  const parsed = Event.safeParse(JSON.parse(entry.value));
  if (!parsed.success) throw badDocument(entry, parsed.error.issues[0]!.message);
  return parsed.data;
}

function badDocument(entry: StoreEntry, detail: string): Error {
  return storeErrors['bad-document']({ what: 'event', key: entry.key, detail });
}

function historyGone(after: number, oldest: number): Error {
  return apiErrors['history-gone']({ what: 'Events', after: String(after), oldest: String(oldest) });
}

/** @throws api.invalid-request when it is no `next` of a page of events */
function seqCursor(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw apiErrors['invalid-request']({ issues: [`query.after: "${text}" is no "next" of a list of events`] });
}

function matches(event: Event, filter: EventFollowQuery | EventListQuery): boolean {
  const { severity, subject, type } = filter;
  if (type !== undefined && event.type !== type && !event.type.startsWith(`${type}.`)) return false;
  if (subject !== undefined && event.subject.id !== subject && event.subject.name !== subject) return false;
  return (
    severity === undefined || eventSeverities.indexOf(event.severity) >= eventSeverities.indexOf(severity)
  );
}
