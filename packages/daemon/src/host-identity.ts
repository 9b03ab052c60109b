/** Who this host is: an id that it keeps, and the name it was started with. */
import { randomUUID } from 'node:crypto';
import type { Store } from '@corral/store/store';
import { z } from 'zod';

const Stored = z.strictObject({ id: z.string(), createdAt: z.string() });

export interface HostIdentity {
  readonly id: string;
  readonly name: string;
  readonly createdAt: string;
}

const key = 'host/identity';

/** Made at the first start. */
export async function hostIdentity(store: Store, name: string): Promise<HostIdentity> {
  const fresh = { id: randomUUID(), createdAt: new Date().toISOString() };
  const { entries } = await store.transact({
    compare: [{ key, absent: true }],
    then: [{ put: key, value: JSON.stringify(fresh) }],
    else: [{ get: key }],
  });
  const known = entries[0];
  return { ...(known ? Stored.parse(JSON.parse(known.value)) : fresh), name };
}
