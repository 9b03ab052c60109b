/**
 * Tokens of the API over the store (docs/formats/tokens.md). The secret has 256 random bits and is shown once; only
 * its SHA-256 is kept, which is enough for a secret that nobody can guess.
 */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import {
  type Token,
  type TokenCreate,
  type TokenCreated,
  Token as TokenSchema,
} from '@corral/api/schemas/token';
import type { EventSubject } from '@corral/core/events';
import { newId } from '@corral/core/ids';
import type { EventLog } from '@corral/host/event-log';
import { keyPart } from '@corral/store/check-transaction';
import { storeErrors } from '@corral/store/errors';
import type { Store, StoreEntry } from '@corral/store/store';
import { z } from 'zod';
import { tokenErrors } from './errors.ts';
import type { TokenCheck } from './http/authenticate.ts';
import type { Caller } from './services.ts';

export interface TokensOptions {
  readonly store: Store;
  readonly events: Pick<EventLog, 'append'>;
  /** Milliseconds since 1970: tokens expire by the calendar. */
  readonly now?: () => number;
}

const StoredToken = TokenSchema.extend({ sha256: z.string().regex(/^[0-9a-f]{64}$/) });
type StoredToken = z.infer<typeof StoredToken>;

const prefix = 'tokens/by-id/';
const namePrefix = 'tokens/by-name/';
/** One that has expired stays in the list so long, so that people see why a login fails. */
const keepExpiredMs = 7 * 86_400_000;

export class Tokens implements TokenCheck {
  readonly #options: Required<TokensOptions>;

  constructor(options: TokensOptions) {
    this.#options = { now: Date.now, ...options };
  }

  /** @throws token.exists */
  async create(input: TokenCreate, createdBy: string): Promise<TokenCreated> {
    const { events, now, store } = this.#options;
    await this.#deleteExpired();
    const id = newId();
    const secret = randomBytes(32).toString('base64url');
    const token: Token = {
      id,
      name: input.name ?? `${input.role}-${id.slice(0, 8)}`,
      createdAt: new Date(now()).toISOString(),
      expiresAt: new Date(now() + input.lifetimeMs).toISOString(),
      role: input.role,
      createdBy,
    };
    const stored: StoredToken = { ...token, sha256: hash('sha256', secret) };
    const { succeeded } = await store.transact({
      compare: [{ key: nameKey(token.name), absent: true }],
      then: [
        { put: prefix + id, value: JSON.stringify(stored) },
        { put: nameKey(token.name), value: id },
      ],
    });
    if (!succeeded) throw tokenErrors.exists({ name: token.name });
    await events.append('token.created', subjectOf(token), { role: token.role, by: createdBy });
    return { ...token, token: `corral_${id.replaceAll('-', '')}_${secret}` };
  }

  async list(): Promise<Token[]> {
    return (await this.#all()).map(withoutHash);
  }

  /** @throws token.not-found */
  async revoke(nameOrId: string, revokedBy: string): Promise<void> {
    const { events, store } = this.#options;
    const token = (await this.#all()).find(({ id, name }) => id === nameOrId || name === nameOrId);
    if (!token) throw tokenErrors['not-found']({ token: nameOrId });
    await store.transact({ then: [{ delete: prefix + token.id }, { delete: nameKey(token.name) }] });
    await events.append('token.revoked', subjectOf(token), { by: revokedBy });
  }

  async verify(token: string): Promise<Caller | null> {
    const match =
      /^corral_([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})_([\w-]{43})$/.exec(token);
    if (!match) return null;
    const [, a, b, c, d, e, secret] = match;
    const entry = await this.#options.store.get(`${prefix}${a}-${b}-${c}-${d}-${e}`);
    if (!entry) return null;
    const stored = parse(entry);
    const matches = timingSafeEqual(Buffer.from(stored.sha256, 'hex'), hash('sha256', secret!, 'buffer'));
    if (!matches || this.#isExpired(stored)) return null;
    return { name: `token ${stored.name}`, role: stored.role };
  }

  #isExpired(token: Token, afterMs = 0): boolean {
    return Date.parse(token.expiresAt) + afterMs <= this.#options.now();
  }

  async #all(): Promise<StoredToken[]> {
    return (await this.#options.store.list(prefix)).entries.map(parse);
  }

  async #deleteExpired(): Promise<void> {
    for (const token of await this.#all()) {
      if (!this.#isExpired(token, keepExpiredMs)) continue;
      await this.#options.store.transact({
        then: [{ delete: prefix + token.id }, { delete: nameKey(token.name) }],
      });
    }
  }
}

function nameKey(name: string): string {
  return namePrefix + keyPart(name);
}

function subjectOf({ id, name }: Token): EventSubject {
  return { kind: 'token', id, name };
}

function withoutHash({ sha256: _, ...token }: StoredToken): Token {
  return token;
}

function parse(entry: StoreEntry): StoredToken {
  const parsed = StoredToken.safeParse(JSON.parse(entry.value));
  if (parsed.success) return parsed.data;
  const detail = parsed.error.issues[0]!.message;
  throw storeErrors['bad-document']({ what: 'token', key: entry.key, detail });
}
