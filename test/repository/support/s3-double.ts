/**
 * A double of S3, not S3: no server that honours `If-None-Match` on PUT and Object Lock comes from npm or Debian. It speaks
 * HTTP to the real SDK and keeps to what AWS documents of the calls that Corral makes: conditional PUT, ranges, listing in
 * pages, versions, compliance retention. It checks no signatures. Pages hold 10 keys, so that paging happens.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Version {
  readonly id: string;
  readonly content: Buffer;
  readonly at: Date;
  retainUntil: number;
}

const pageKeys = 10;

export class S3Double implements AsyncDisposable {
  readonly #server: Server;
  readonly #bucket: string;
  /** All versions of each key, oldest first; with Object Lock a bucket always keeps versions. */
  readonly objects = new Map<string, Version[]>();
  /** A store that is slow: who asks for an object that this names gets no answer. Told once for each request. */
  stall: ((method: string, key: string) => boolean) | null = null;

  private constructor(bucket: string) {
    this.#bucket = bucket;
    this.#server = createServer((request, response) => {
      void this.#serve(request, response).catch((cause: unknown) => this.#fail(response, 500, String(cause)));
    });
  }

  static async start(bucket: string): Promise<S3Double> {
    const double = new S3Double(bucket);
    await new Promise<void>((resolve) => double.#server.listen(0, '127.0.0.1', resolve));
    return double;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.endpoint);
    const [, bucket, ...rest] = decodeURIComponent(url.pathname).split('/');
    const key = rest.join('/');
    const body = await readBody(request);
    if (this.stall?.(request.method ?? '', key)) return;
    if (bucket !== this.#bucket) this.#fail(response, 404, 'NoSuchBucket');
    else if (key === '') this.#list(url, response);
    else if (request.method === 'PUT' && url.searchParams.has('retention')) this.#retain(key, body, response);
    else if (request.method === 'PUT') this.#put(key, request, body, response);
    else if (request.method === 'HEAD') this.#head(key, response);
    else if (request.method === 'GET') this.#get(key, request, response);
    else if (request.method === 'DELETE') this.#delete(key, url, response);
    else this.#fail(response, 501, 'NotImplemented');
  }

  #put(key: string, request: IncomingMessage, body: Buffer, response: ServerResponse): void {
    const versions = this.objects.get(key) ?? [];
    if (request.headers['if-none-match'] === '*' && versions.length > 0) {
      this.#fail(response, 412, 'PreconditionFailed');
      return;
    }
    const content = request.headers['content-encoding']?.includes('aws-chunked') ? unchunk(body) : body;
    const until = request.headers['x-amz-object-lock-retain-until-date'];
    const retainUntil = typeof until === 'string' ? Date.parse(until) : 0;
    const version = { id: randomUUID(), content, at: new Date(), retainUntil };
    this.objects.set(key, [...versions, version]);
    response.writeHead(200, { etag: etagOf(content), 'x-amz-version-id': version.id }).end();
  }

  #head(key: string, response: ServerResponse): void {
    const version = this.objects.get(key)?.at(-1);
    const lock = version?.retainUntil
      ? { 'x-amz-object-lock-retain-until-date': new Date(version.retainUntil).toISOString() }
      : {};
    response.writeHead(version ? 200 : 404, lock).end();
  }

  #get(key: string, request: IncomingMessage, response: ServerResponse): void {
    const version = this.objects.get(key)?.at(-1);
    if (!version) {
      this.#fail(response, 404, 'NoSuchKey');
      return;
    }
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    if (!range) {
      response.writeHead(200, { 'content-length': version.content.length, etag: etagOf(version.content) });
      response.end(version.content);
      return;
    }
    const [start, end] = [Number(range[1]), Number(range[2])];
    if (start >= version.content.length) {
      this.#fail(response, 416, 'InvalidRange');
      return;
    }
    const part = version.content.subarray(start, end + 1);
    const contentRange = `bytes ${start}-${start + part.length - 1}/${version.content.length}`;
    response.writeHead(206, { 'content-length': part.length, 'content-range': contentRange });
    response.end(part);
  }

  #delete(key: string, url: URL, response: ServerResponse): void {
    const wanted = url.searchParams.get('versionId');
    const versions = this.objects.get(key) ?? [];
    const going = versions.filter(({ id }) => wanted === null || id === wanted);
    if (going.some(({ retainUntil }) => retainUntil > Date.now())) {
      this.#fail(response, 403, 'AccessDenied');
      return;
    }
    const staying = versions.filter((version) => !going.includes(version));
    if (staying.length > 0) this.objects.set(key, staying);
    else this.objects.delete(key);
    response.writeHead(204).end();
  }

  #retain(key: string, body: Buffer, response: ServerResponse): void {
    const version = this.objects.get(key)?.at(-1);
    const until = Date.parse(/<RetainUntilDate>([^<]+)</.exec(body.toString())?.[1] ?? '');
    if (!version || Number.isNaN(until)) {
      this.#fail(response, 404, 'NoSuchKey');
      return;
    }
    // Compliance mode is only ever extended.
    if (until < version.retainUntil) {
      this.#fail(response, 403, 'AccessDenied');
      return;
    }
    version.retainUntil = until;
    response.writeHead(200).end();
  }

  #list(url: URL, response: ServerResponse): void {
    const prefix = url.searchParams.get('prefix') ?? '';
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix)).sort();
    const isVersions = url.searchParams.has('versions');
    const from = Number(url.searchParams.get('continuation-token') ?? 0);
    const page = isVersions ? keys : keys.slice(from, from + pageKeys);
    const next = from + pageKeys < keys.length && !isVersions ? from + pageKeys : undefined;
    const entries = page.flatMap((key) => {
      const versions = this.objects.get(key)!;
      return (isVersions ? versions : versions.slice(-1)).map((version) =>
        entryXml(key, version, isVersions),
      );
    });
    const token = next === undefined ? '' : `<NextContinuationToken>${next}</NextContinuationToken>`;
    const root = isVersions ? 'ListVersionsResult' : 'ListBucketResult';
    response.writeHead(200, { 'content-type': 'application/xml' });
    response.end(
      `<?xml version="1.0"?><${root}><IsTruncated>${next !== undefined}</IsTruncated>${token}${entries.join('')}</${root}>`,
    );
  }

  #fail(response: ServerResponse, status: number, code: string): void {
    response.writeHead(status, { 'content-type': 'application/xml' });
    response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`);
  }
}

function entryXml(key: string, version: Version, isVersions: boolean): string {
  const fields = `<Key>${key}</Key><LastModified>${version.at.toISOString()}</LastModified><Size>${version.content.length}</Size>`;
  return isVersions
    ? `<Version>${fields}<VersionId>${version.id}</VersionId></Version>`
    : `<Contents>${fields}</Contents>`;
}

function etagOf(content: Buffer): string {
  return `"${createHash('md5').update(content).digest('hex')}"`;
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** The SDK may send a body in chunks with a checksum behind it: `size;extensions CRLF bytes CRLF ... 0 CRLF trailer`. */
function unchunk(body: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const end = body.indexOf('\r\n', at);
    const size = Number.parseInt(body.toString('latin1', at, end), 16);
    if (!(size > 0)) return Buffer.concat(parts);
    parts.push(body.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
}
