/** The Azure store against azurite, Microsoft's own emulator. It has no immutability policies: that part is untested here. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { BlobServiceClient } from '@azure/storage-blob';
import { AzureStore } from '@corral/backup/object-store/azure-store';
import { testObjectStore } from '@corral/backup/object-store/conformance';
import { Repository } from '@corral/backup/repository';
import { withLimit } from '@corral/core/abort';
import { assertRestores, backUp, inPlace, makeDisk } from './support/sample.ts';

/** Azurite's documented development account. */
const account = 'devstoreaccount1';
const accountKey = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

let server: ChildProcess;
let folder: string;
let service: BlobServiceClient;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'corral-azurite-'));
  const script = createRequire(import.meta.url).resolve('azurite/dist/src/blob/main.js');
  const flags = ['--skipApiVersionCheck', '--blobHost', '127.0.0.1', '--blobPort', '0', '--location', folder];
  server = spawn(process.execPath, [script, ...flags, '--disableTelemetry'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const port = await withLimit('Starting azurite', 60_000, undefined, async () => {
    for await (const line of createInterface({ input: server.stdout! })) {
      const found = /listens? (?:at|on) http:\/\/127\.0\.0\.1:(\d+)/.exec(line);
      if (found) return found[1]!;
    }
    throw new Error('azurite ended before it listened');
  });
  const endpoint = `http://127.0.0.1:${port}/${account}`;
  service = BlobServiceClient.fromConnectionString(
    `DefaultEndpointsProtocol=http;AccountName=${account};AccountKey=${accountKey};BlobEndpoint=${endpoint};`,
  );
});

after(async () => {
  server.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

testObjectStore('azurite', async () => {
  const container = service.getContainerClient(`c${randomUUID()}`);
  await container.create();
  return {
    store: new AzureStore({ container, prefix: 'deep/down/' }),
    plant: async (name, content) => {
      await container.getBlockBlobClient(`deep/down/${name}`).upload(content, content.length);
    },
    dispose: async () => {
      await container.delete();
    },
  };
});

test('a repository in Azure takes a backup and gives it back', async () => {
  const container = service.getContainerClient(`c${randomUUID()}`);
  await container.create();
  const store = new AzureStore({ container });
  const disk = makeDisk(40, { 0: 'a', 1: 'b', 39: 'c' });
  await using repository = await Repository.create(store, inPlace);
  const point = await backUp(repository, disk);
  await assertRestores(store, inPlace, new Map([[point.id, disk]]));
});
