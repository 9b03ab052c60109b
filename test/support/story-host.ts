/** One VM, one repository, and backups that are compared with what their fork held, byte by byte. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@corral/api/client.gen';
import { Backup } from '@corral/api/schemas/backup';
import { VmSettings } from '@corral/api/schemas/vm-settings';
import { DirectoryStore } from '@corral/backup/object-store/directory-store';
import { Repository } from '@corral/backup/repository';
import { FileSink } from '@corral/backup/restore/restore-sink';
import type { Disk } from '@corral/disk/disk';
import { openLayer } from '@corral/disk/drivers';
import { openChainOf } from '@corral/host/backup/open-chain';
import { DataDirectory } from '@corral/host/data-directory';
import { succeeded } from './operations.ts';
import { TestHost } from './test-host.ts';

const passphrase = 'correct horse battery staple';
const pieceBytes = 2 ** 20;

/** Hash of each disk, by name. */
export type Hashes = Readonly<Record<string, string>>;

export class StoryHost implements AsyncDisposable {
  readonly host: TestHost;
  readonly vm = 'a';
  readonly #place: string;

  private constructor(host: TestHost, place: string) {
    this.host = host;
    this.#place = place;
  }

  static async start(): Promise<StoryHost> {
    const story = new StoryHost(await TestHost.start(), await mkdtemp(join(tmpdir(), 'corral-vault-')));
    const place = { kind: 'directory' as const, path: join(story.#place, 'vault') };
    const { client } = story;
    await succeeded(client, client.repository.create({ name: 'vault', place, secret: { passphrase } }));
    return story;
  }

  get client(): Client {
    return this.host.client;
  }

  async qemuPid(): Promise<number> {
    return (await this.client.vm.show(this.vm)).pid!;
  }

  /**
   * A backup, and what its fork held: the daemon is stopped between fork and reading, and the still side is hashed.
   *
   * @param meanwhile happens while the backup reads
   */
  async backUp(
    request: { readonly bytesPerSecond?: number } = {},
    meanwhile: () => Promise<unknown> = async () => undefined,
  ): Promise<{ readonly backup: Backup; readonly forked: Hashes }> {
    const { client, host } = this;
    await host.arm('backup.run/write/before=stop-daemon');
    const begun = client.backup.run(this.vm, { repository: 'vault', ...request });
    // It is awaited below; until then a failure is nobody's.
    begun.catch(() => undefined);
    await host.daemonStandsStill();
    let forked: Hashes;
    try {
      forked = await this.#hashesOfFork();
    } finally {
      process.kill(host.daemonPid, 'SIGCONT');
    }
    const operation = await begun;
    await meanwhile();
    const { output } = await succeeded(client, Promise.resolve(operation));
    const { backupId } = output as { readonly backupId: string };
    return { backup: Backup.parse(await client.backup.show(backupId, {})), forked };
  }

  /** What was sealed last: the fork's own step has written it into the settings file. */
  async #hashesOfFork(): Promise<Hashes> {
    await using directory = new DataDirectory(this.host.data);
    const { settings: path } = directory.vm(await this.#vmId());
    const { id, disks } = VmSettings.parse(JSON.parse(readFileSync(path, 'utf8')));
    const hashes: Record<string, string> = {};
    for (const { name, parents, sizeBytes } of disks) {
      await using disk = await openChainOf(directory, id, parents, AbortSignal.timeout(60_000));
      hashes[name] = await hashOf(disk, sizeBytes);
    }
    return hashes;
  }

  /** The API cannot be asked: the daemon stands still. */
  #id: string | null = null;
  async #vmId(): Promise<string> {
    assert.ok(this.#id !== null);
    return this.#id;
  }

  async knowVm(): Promise<void> {
    this.#id = (await this.client.vm.show(this.vm)).id;
  }

  /** Every disk of a point in files of its own, which are gone afterwards. */
  async withRestored<T>(
    { id, disks }: Backup,
    use: (files: Readonly<Record<string, string>>, hashes: Hashes) => Promise<T>,
  ): Promise<T> {
    const folder = await mkdtemp(join(this.#place, 'restored-'));
    try {
      await using repository = await this.openRepository();
      await using held = await repository.holdPoint(id);
      const files: Record<string, string> = {};
      const hashes: Record<string, string> = {};
      for (const { name, sizeBytes } of disks) {
        files[name] = join(folder, name);
        await using sink = await FileSink.create(files[name], sizeBytes);
        await repository.restore(held.reader, name, sink);
      }
      for (const { name, sizeBytes } of disks) {
        await using disk = await openLayer(files[name]!, { format: 'raw', readOnly: true });
        hashes[name] = await hashOf(disk, sizeBytes);
      }
      return await use(files, hashes);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  openRepository(): Promise<Repository> {
    return Repository.open(new DirectoryStore(join(this.#place, 'vault')), { secret: { passphrase } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host[Symbol.asyncDispose]();
    await rm(this.#place, { recursive: true, force: true });
  }
}

/** Behind its end a file counts as zeros. */
async function hashOf(disk: Disk, sizeBytes: number): Promise<string> {
  const hash = createHash('sha256');
  const piece = Buffer.alloc(pieceBytes);
  for (let offset = 0; offset < sizeBytes; offset += pieceBytes) {
    const wanted = piece.subarray(0, Math.min(pieceBytes, sizeBytes - offset));
    const inside = Math.max(0, Math.min(wanted.length, disk.info.sizeBytes - offset));
    if (inside > 0) await disk.read(wanted.subarray(0, inside), offset);
    wanted.fill(0, inside);
    hash.update(wanted);
  }
  return hash.digest('hex');
}
