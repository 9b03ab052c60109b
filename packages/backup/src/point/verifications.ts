/**
 * What tests of a point found, recorded beside it: the point itself is put once and never changed
 * (docs/formats/repository.md, "Verifications").
 */
import { hostname } from 'node:os';
import type { RepositoryContext } from '../context.ts';
import { uuidBytes } from '../crypto/keys.ts';
import { isLoss } from '../errors.ts';
import { openDocument, sealDocument } from '../format/document.ts';
import { Fields } from '../format/fields.ts';
import { listAll } from '../object-store/object-store.ts';
import { readPoint } from './point.ts';

export interface Verification {
  readonly at: string;
  readonly host: string;
  readonly outcome: 'passed' | 'failed';
  /** What was waited for, or done: `agent`, `console`, `read`. */
  readonly method: string;
  /** For people: what was seen, or why it failed. */
  readonly detail: string;
  readonly tookMs: number;
  /** PNG in base64, or null. */
  readonly screenshot: string | null;
}

export type NewVerification = Pick<Verification, 'outcome' | 'method' | 'detail' | 'tookMs'> & {
  readonly screenshot?: Buffer | undefined;
};

const folder = 'verifications/';
const timeDigits = 15;
const base64 = /^[A-Za-z0-9+/]{0,16777216}={0,2}$/;

/** Adds a finding. @throws repository.point-not-found */
export async function addVerification(
  context: RepositoryContext,
  point: string,
  found: NewVerification,
  signal?: AbortSignal,
): Promise<Verification> {
  await readPoint(context.store, context.keys, point, signal);
  for (let time = Date.now(); ; time += 1) {
    const verification: Verification = {
      at: new Date(time).toISOString(),
      host: hostname(),
      outcome: found.outcome,
      method: found.method,
      detail: found.detail,
      tookMs: Math.round(found.tookMs),
      screenshot: found.screenshot?.toString('base64') ?? null,
    };
    const name = `${folder}${point}/${String(time).padStart(timeDigits, '0')}`;
    const bytes = sealDocument(context.keys, name, uuidBytes(point), verification);
    if ((await context.store.put(name, bytes, { signal })) === 'stored') return verification;
    // Another one in the same millisecond: the next is free.
  }
}

/**
 * Puts what was found about a point of one repository beside its copy in another, as it was found. What is there is left.
 *
 * @returns how many were put
 */
export async function copyVerifications(
  from: { readonly context: RepositoryContext; readonly point: string },
  to: { readonly context: RepositoryContext; readonly point: string },
  signal?: AbortSignal,
): Promise<number> {
  const { keys, store } = to.context;
  const there = new Set(
    (await listAll(store, `${folder}${to.point}/`, signal)).map(({ name }) => name.slice(-timeDigits)),
  );
  let put = 0;
  for (const { name: source } of await listAll(from.context.store, `${folder}${from.point}/`, signal)) {
    const time = source.slice(-timeDigits);
    if (there.has(time)) continue;
    // What cannot be read there is named by a check of that repository.
    const verification = await readVerification(from.context, source, signal).catch(onLoss);
    if (!verification) continue;
    const name = `${folder}${to.point}/${time}`;
    const bytes = sealDocument(keys, name, uuidBytes(to.point), verification);
    if ((await store.put(name, bytes, { signal })) === 'stored') put += 1;
  }
  return put;
}

/** All that was found about a point, oldest first. What cannot be read is left out; `check` names it. */
export async function verificationsOf(
  context: RepositoryContext,
  point: string,
  signal?: AbortSignal,
): Promise<Verification[]> {
  const entries = await listAll(context.store, `${folder}${point}/`, signal);
  const found: Verification[] = [];
  for (const name of entries.map((entry) => entry.name).sort()) {
    const verification = await readVerification(context, name, signal).catch(onLoss);
    if (verification) found.push(verification);
  }
  return found;
}

/** The last finding of each point that has one. */
export async function newestVerifications(
  context: RepositoryContext,
  signal?: AbortSignal,
): Promise<Map<string, Verification>> {
  const names = (await listAll(context.store, folder, signal)).map(({ name }) => name).sort();
  const newest = new Map(names.map((name) => [name.split('/')[1]!, name]));
  const found = new Map<string, Verification>();
  for (const [point, name] of newest) {
    const verification = await readVerification(context, name, signal).catch(onLoss);
    if (verification) found.set(point, verification);
  }
  return found;
}

async function readVerification(
  context: RepositoryContext,
  name: string,
  signal?: AbortSignal,
): Promise<Verification> {
  const fields = new Fields(
    name,
    openDocument(context.keys, name, await context.store.read(name, undefined, signal)),
  );
  return {
    at: fields.text('at'),
    host: fields.text('host'),
    outcome: fields.text('outcome', /^(passed|failed)$/) as Verification['outcome'],
    method: fields.text('method', /^[a-z-]{1,40}$/),
    detail: fields.text('detail'),
    tookMs: fields.count('tookMs'),
    screenshot: fields.textOrNull('screenshot', base64),
  };
}

function onLoss(cause: unknown): undefined {
  if (!isLoss(cause)) throw cause;
}
