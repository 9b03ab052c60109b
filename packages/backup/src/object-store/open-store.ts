/** Opens the store at a place that a person named: a directory, an S3 URL or an Azure URL. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { repositoryErrors } from '../errors.ts';
import { CachedStore } from './cached-store.ts';
import { DirectoryStore } from './directory-store.ts';
import { farLimitMs, LimitedStore } from './limited-store.ts';
import type { ObjectStore } from './object-store.ts';

export type StorePlace =
  | { readonly kind: 'directory'; readonly path: string }
  | {
      readonly kind: 's3';
      /** `s3://bucket/prefix`, or `https://host[:port]/bucket/prefix` for a server that is not Amazon's. */
      readonly url: string;
      readonly region?: string | undefined;
      readonly accessKeyId?: string | undefined;
      readonly secretAccessKey?: string | undefined;
      readonly sessionToken?: string | undefined;
      readonly objectLock?: boolean | undefined;
    }
  | {
      readonly kind: 'azure';
      /** `https://account.blob.core.windows.net/container/prefix`, with a shared access signature if there is no key. */
      readonly url: string;
      readonly accountKey?: string | undefined;
      readonly immutability?: boolean | undefined;
    };

/**
 * `cacheFolder`: where copies of the index of S3 and Azure repositories may lie.
 *
 * @throws repository.unsupported-name
 */
export async function openStore(place: StorePlace, cacheFolder?: string): Promise<ObjectStore> {
  if (place.kind === 'directory') return new DirectoryStore(checkPath(place.path));
  const far = place.kind === 's3' ? await openS3(place) : await openAzure(place);
  const store = new LimitedStore(far, { limitMs: farLimitMs });
  if (cacheFolder === undefined) return store;
  const folder = path.join(cacheFolder, encodeURIComponent(store.place));
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return new CachedStore(store, new DirectoryStore(folder));
}

function checkPath(name: string): string {
  if (path.isAbsolute(name)) return name;
  throw repositoryErrors['unsupported-name']({
    place: name,
    reason: 'give the whole path, beginning with "/"',
  });
}

// The SDKs are large, and most repositories need none of them: they are loaded when a place asks for one.

async function openS3(place: Extract<StorePlace, { kind: 's3' }>): Promise<ObjectStore> {
  const { S3Client } = await import('@aws-sdk/client-s3');
  const { S3Store } = await import('./s3-store.ts');
  const url = parseUrl(place.url, ['s3:', 'https:', 'http:']);
  const isAmazon = url.protocol === 's3:';
  const [first = '', ...rest] = url.pathname.split('/').filter((part) => part !== '');
  const bucket = isAmazon ? url.hostname : first;
  const parts = isAmazon && first !== '' ? [first, ...rest] : rest;
  if (bucket === '')
    throw repositoryErrors['unsupported-name']({ place: place.url, reason: 'it names no bucket' });
  const { accessKeyId, secretAccessKey, sessionToken, region = 'us-east-1', objectLock } = place;
  const client = new S3Client({
    region,
    ...(accessKeyId !== undefined &&
      secretAccessKey !== undefined && {
        credentials: { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) },
      }),
    ...(!isAmazon && { endpoint: url.origin, forcePathStyle: true }),
  });
  return new S3Store({ client, bucket, prefix: parts.map((part) => `${part}/`).join(''), objectLock });
}

async function openAzure(place: Extract<StorePlace, { kind: 'azure' }>): Promise<ObjectStore> {
  const { AnonymousCredential, ContainerClient, StorageSharedKeyCredential } = await import(
    '@azure/storage-blob'
  );
  const { AzureStore } = await import('./azure-store.ts');
  const url = parseUrl(place.url, ['https:', 'http:']);
  const [container = '', ...rest] = url.pathname.split('/').filter((part) => part !== '');
  if (container === '')
    throw repositoryErrors['unsupported-name']({ place: url.host, reason: 'it names no container' });
  const account = url.hostname.split('.')[0]!;
  const credential =
    place.accountKey === undefined
      ? new AnonymousCredential()
      : new StorageSharedKeyCredential(account, place.accountKey);
  const client = new ContainerClient(`${url.origin}/${container}${url.search}`, credential);
  const prefix = rest.map((part) => `${part}/`).join('');
  return new AzureStore({ container: client, prefix, immutability: place.immutability });
}

function parseUrl(text: string, protocols: readonly string[]): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && protocols.includes(url.protocol)) return url;
  const reason = `it is no URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`;
  throw repositoryErrors['unsupported-name']({ place: text.split('?')[0]!, reason });
}
