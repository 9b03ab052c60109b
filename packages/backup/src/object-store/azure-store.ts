/**
 * A store in a container of Azure Blob storage. Put-if-absent is `If-None-Match: *`; where the container has
 * version-level immutability, objects get a locked policy, and Azure refuses to delete them until it ends.
 */
import { type ContainerClient, RestError } from '@azure/storage-blob';
import { repositoryErrors } from '../errors.ts';
import { bytesOfStream, objectLimit } from './bytes-of-stream.ts';
import {
  checkObjectName,
  foreignNames,
  isObjectName,
  type ObjectEntry,
  type ObjectStore,
  type PutOptions,
  type ReadRange,
} from './object-store.ts';
import { storeFailure, tellingFailure } from './store-failure.ts';

export interface AzurePlace {
  readonly container: ContainerClient;
  /** What all names begin with; empty or ending in "/". */
  readonly prefix?: string | undefined;
  /** Whether the container has version-level immutability. */
  readonly immutability?: boolean | undefined;
}

export class AzureStore implements ObjectStore {
  readonly place: string;
  readonly canRetain: boolean;
  readonly #container: ContainerClient;
  readonly #prefix: string;

  constructor({ container, prefix = '', immutability = false }: AzurePlace) {
    this.#container = container;
    this.#prefix = prefix;
    this.canRetain = immutability;
    // The address may carry a signature: only its path is for people.
    const { host, pathname } = new URL(container.url);
    this.place = `azure://${host}${pathname}/${prefix}`;
  }

  async put(name: string, content: Uint8Array, options: PutOptions = {}): Promise<'stored' | 'exists'> {
    const blob = this.#blob(name);
    // The SDK keeps the body for its retries: memory that others write to meanwhile will not do.
    const body = Buffer.from(content);
    const { signal, retainUntil } = options;
    const policy =
      this.canRetain && retainUntil
        ? { immutabilityPolicy: { expiriesOn: retainUntil, policyMode: 'Locked' as const } }
        : {};
    try {
      const conditions = { ifNoneMatch: '*' };
      await blob.upload(body, body.length, { conditions, ...policy, ...(signal && { abortSignal: signal }) });
      return 'stored';
    } catch (cause) {
      const isTaken = cause instanceof RestError && (cause.statusCode === 409 || cause.statusCode === 412);
      if (!isTaken) throw storeFailure(this.place, `put ${name}`, cause);
      // A retry meets what the first try, whose answer was lost, has put.
      return (await this.read(name, undefined, signal)).equals(body) ? 'stored' : 'exists';
    }
  }

  async read(name: string, range?: ReadRange, signal?: AbortSignal): Promise<Buffer> {
    const blob = this.#blob(name);
    if (range?.length === 0) return Buffer.alloc(0);
    try {
      const options = signal && { abortSignal: signal };
      const response = await blob.download(range?.offset, range?.length, options);
      const body = response.readableStreamBody;
      return body ? await bytesOfStream(body, range?.length ?? objectLimit) : Buffer.alloc(0);
    } catch (cause) {
      const status = cause instanceof RestError ? cause.statusCode : undefined;
      if (status === 404) throw repositoryErrors['object-missing']({ name }, { cause });
      // A range that begins past the end.
      if (status === 416) return Buffer.alloc(0);
      throw storeFailure(this.place, `read ${name}`, cause);
    }
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncIterable<ObjectEntry> {
    for await (const entry of this.#blobs(prefix, signal)) if (isObjectName(entry.name)) yield entry;
  }

  async listForeign(limit: number, signal?: AbortSignal): Promise<string[]> {
    return await foreignNames(this.#blobs('', signal), limit);
  }

  async *#blobs(prefix: string, signal?: AbortSignal): AsyncIterable<ObjectEntry> {
    const options = { prefix: this.#prefix + prefix, ...(signal && { abortSignal: signal }) };
    try {
      for await (const { name, properties } of this.#container.listBlobsFlat(options)) {
        const sizeBytes = properties.contentLength ?? 0;
        yield {
          name: name.slice(this.#prefix.length),
          sizeBytes,
          modifiedAt: properties.lastModified.getTime(),
        };
      }
    } catch (cause) {
      throw storeFailure(this.place, `list ${prefix}`, cause);
    }
  }

  async delete(name: string, signal?: AbortSignal): Promise<void> {
    const blob = this.#blob(name);
    await tellingFailure(this.place, `delete ${name}`, () =>
      blob.deleteIfExists(signal && { abortSignal: signal }),
    );
  }

  /** The time that Azure itself gives in its answer. */
  async now(signal?: AbortSignal): Promise<number> {
    return await tellingFailure(this.place, 'read the clock', async () => {
      const { date } = await this.#container.getProperties(signal && { abortSignal: signal });
      if (!date) throw new Error('its answer carries no date');
      return date.getTime();
    });
  }

  async retain(name: string, until: Date, signal?: AbortSignal): Promise<void> {
    const blob = this.#blob(name);
    const options = signal && { abortSignal: signal };
    await tellingFailure(this.place, `retain ${name}`, async () => {
      const current = (await blob.getProperties(options)).immutabilityPolicyExpiresOn;
      if (current && current >= until) return;
      await blob.setImmutabilityPolicy({ expiriesOn: until, policyMode: 'Locked' }, options);
    });
  }

  async close(): Promise<void> {
    // The SDK holds nothing but idle connections, which keep no process alive.
  }

  #blob(name: string) {
    return this.#container.getBlockBlobClient(this.#prefix + checkObjectName(name));
  }
}
