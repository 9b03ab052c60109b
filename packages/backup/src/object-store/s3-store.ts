/**
 * A store in an S3 bucket. Put-if-absent is `If-None-Match: *`; where the bucket has Object Lock, objects are retained in
 * compliance mode, and deleting means deleting every version, which S3 refuses until then.
 */
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  ListObjectVersionsCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
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

export interface S3Place {
  readonly client: S3Client;
  readonly bucket: string;
  /** What all names begin with; empty or ending in "/". */
  readonly prefix?: string | undefined;
  /** Whether the bucket has Object Lock. */
  readonly objectLock?: boolean | undefined;
}

const putAttempts = 5;

export class S3Store implements ObjectStore {
  readonly place: string;
  readonly canRetain: boolean;
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;

  constructor({ client, bucket, prefix = '', objectLock = false }: S3Place) {
    this.#client = client;
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.canRetain = objectLock;
    this.place = `s3://${bucket}/${prefix}`;
  }

  async put(name: string, content: Uint8Array, options: PutOptions = {}): Promise<'stored' | 'exists'> {
    checkObjectName(name);
    // The SDK keeps the body for its retries: memory that others write to meanwhile will not do.
    const body = Buffer.from(content);
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#client.send(
          new PutObjectCommand(this.#putInput(name, body, options)),
          sendOptions(options.signal),
        );
        return 'stored';
      } catch (cause) {
        const status = statusOf(cause);
        if (status === 412) return await this.#settle(name, body, options.signal);
        // Two puts at once: S3 asks to try again.
        if (status !== 409 || attempt === putAttempts) throw storeFailure(this.place, `put ${name}`, cause);
      }
    }
  }

  /** A retry meets what the first try, whose answer was lost, has put. */
  async #settle(name: string, body: Buffer, signal?: AbortSignal): Promise<'stored' | 'exists'> {
    return (await this.read(name, undefined, signal)).equals(body) ? 'stored' : 'exists';
  }

  #putInput(name: string, body: Buffer, { retainUntil }: PutOptions): PutObjectCommand['input'] {
    const retention =
      this.canRetain && retainUntil
        ? { ObjectLockMode: 'COMPLIANCE' as const, ObjectLockRetainUntilDate: retainUntil }
        : {};
    return { ...this.#object(name), Body: body, ContentLength: body.length, IfNoneMatch: '*', ...retention };
  }

  async read(name: string, range?: ReadRange, signal?: AbortSignal): Promise<Buffer> {
    checkObjectName(name);
    if (range?.length === 0) return Buffer.alloc(0);
    const Range = range && { Range: `bytes=${range.offset}-${range.offset + range.length - 1}` };
    try {
      const response = await this.#client.send(
        new GetObjectCommand({ ...this.#object(name), ...Range }),
        sendOptions(signal),
      );
      const body = response.Body as AsyncIterable<unknown> | undefined;
      return body ? await bytesOfStream(body, range?.length ?? objectLimit) : Buffer.alloc(0);
    } catch (cause) {
      if (statusOf(cause) === 404) throw repositoryErrors['object-missing']({ name }, { cause });
      // A range that begins past the end.
      if (statusOf(cause) === 416) return Buffer.alloc(0);
      throw storeFailure(this.place, `read ${name}`, cause);
    }
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncIterable<ObjectEntry> {
    for await (const { name, sizeBytes, modifiedAt } of this.#keys(prefix, signal)) {
      if (isObjectName(name)) yield { name, sizeBytes, modifiedAt };
    }
  }

  async listForeign(limit: number, signal?: AbortSignal): Promise<string[]> {
    return await foreignNames(this.#keys('', signal), limit);
  }

  async *#keys(prefix: string, signal?: AbortSignal): AsyncIterable<ObjectEntry> {
    let token: string | undefined;
    do {
      const page: ListObjectsV2CommandOutput = await tellingFailure(this.place, `list ${prefix}`, () =>
        this.#client.send(
          new ListObjectsV2Command({
            Bucket: this.#bucket,
            Prefix: this.#prefix + prefix,
            ContinuationToken: token,
          }),
          sendOptions(signal),
        ),
      );
      for (const { Key, Size, LastModified } of page.Contents ?? []) {
        if (!Key?.startsWith(this.#prefix)) continue;
        const modifiedAt = LastModified?.getTime() ?? 0;
        yield { name: Key.slice(this.#prefix.length), sizeBytes: Size ?? 0, modifiedAt };
      }
      token = page.NextContinuationToken;
    } while (token);
  }

  async delete(name: string, signal?: AbortSignal): Promise<void> {
    checkObjectName(name);
    await tellingFailure(this.place, `delete ${name}`, async () => {
      if (!this.canRetain)
        await this.#client.send(new DeleteObjectCommand(this.#object(name)), sendOptions(signal));
      else await this.#deleteVersions(name, signal);
    });
  }

  async #deleteVersions(name: string, signal?: AbortSignal): Promise<void> {
    const { Bucket, Key } = this.#object(name);
    const listed = await this.#client.send(
      new ListObjectVersionsCommand({ Bucket, Prefix: Key }),
      sendOptions(signal),
    );
    for (const version of [...(listed.Versions ?? []), ...(listed.DeleteMarkers ?? [])]) {
      if (version.Key !== Key || !version.VersionId) continue;
      await this.#client.send(
        new DeleteObjectCommand({ Bucket, Key, VersionId: version.VersionId }),
        sendOptions(signal),
      );
    }
  }

  /** The time that S3 itself gives in its answer. */
  async now(signal?: AbortSignal): Promise<number> {
    return await tellingFailure(this.place, 'read the clock', async () => {
      let date: string | undefined;
      const command = new ListObjectsV2Command({ Bucket: this.#bucket, Prefix: this.#prefix, MaxKeys: 1 });
      command.middlewareStack.add(
        (next) => async (args) => {
          const result = await next(args);
          const { headers } = result.response as { headers?: Record<string, string> };
          date = headers?.['date'];
          return result;
        },
        { step: 'deserialize', name: 'corralDate' },
      );
      await this.#client.send(command, sendOptions(signal));
      const time = Date.parse(date ?? '');
      if (Number.isNaN(time)) throw new Error('its answer carries no date');
      return time;
    });
  }

  async retain(name: string, until: Date, signal?: AbortSignal): Promise<void> {
    const object = this.#object(checkObjectName(name));
    await tellingFailure(this.place, `retain ${name}`, async () => {
      const head = await this.#client.send(new HeadObjectCommand(object), sendOptions(signal));
      if (head.ObjectLockRetainUntilDate && head.ObjectLockRetainUntilDate >= until) return;
      const Retention = { Mode: 'COMPLIANCE' as const, RetainUntilDate: until };
      await this.#client.send(new PutObjectRetentionCommand({ ...object, Retention }), sendOptions(signal));
    });
  }

  async close(): Promise<void> {
    this.#client.destroy();
  }

  #object(name: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + name };
  }
}

function statusOf(cause: unknown): number | undefined {
  if (typeof cause !== 'object' || cause === null || !('$metadata' in cause)) return undefined;
  return (cause.$metadata as { httpStatusCode?: number }).httpStatusCode;
}

function sendOptions(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal ? { abortSignal: signal } : {};
}
