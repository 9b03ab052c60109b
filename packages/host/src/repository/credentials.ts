/**
 * The secrets of connections, in files that only the daemon's user can read (docs/formats/repository-connections.md):
 * what opens a repository, and what opens the store it lies in. They go into no record, operation, event or log.
 */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RepositorySecret, StoreCredentials } from '@corral/api/schemas/repository';
import { z } from 'zod';
import { unlessAbsent } from '../storage/unless-absent.ts';
import { removeWhole, writeWhole } from '../storage/whole-files.ts';
import { connectionErrors } from './errors.ts';

export const Credentials = z.strictObject({
  version: z.literal(1),
  /** Null: not encrypted. */
  secret: RepositorySecret.nullable(),
  /** Null: what the daemon's environment gives. */
  store: StoreCredentials.nullable(),
});
export type Credentials = z.infer<typeof Credentials>;

const fileName = 'credentials.json';

export class CredentialFiles {
  /** Of all connections. */
  readonly folder: string;

  constructor(dataFolder: string) {
    this.folder = join(dataFolder, 'repositories');
  }

  folderOf(id: string): string {
    return join(this.folder, id);
  }

  /** Where copies of a far repository's index may lie. */
  cacheOf(id: string): string {
    return join(this.folderOf(id), 'cache');
  }

  async write(id: string, credentials: Credentials): Promise<void> {
    await this.#write(id, fileName, credentials);
  }

  /** @throws repository.credentials-damaged */
  async read(id: string): Promise<Credentials> {
    return await this.#read(id, fileName, Credentials);
  }

  /** A secret that is to become a key: kept until the operation that makes it one has ended. */
  async writePending(id: string, key: string, secret: RepositorySecret): Promise<void> {
    await this.#write(id, pendingName(key), secret);
  }

  /** @throws repository.credentials-damaged */
  async readPending(id: string, key: string): Promise<RepositorySecret> {
    return await this.#read(id, pendingName(key), RepositorySecret);
  }

  async removePending(id: string, key: string): Promise<void> {
    await removeWhole(join(this.folderOf(id), pendingName(key)));
  }

  /** Repeatable. */
  async remove(id: string): Promise<void> {
    await removeWhole(this.folderOf(id));
  }

  /** Removes what belongs to no connection and to no operation: a daemon died before it had recorded either. */
  async removeStrays(known: ReadonlySet<string>): Promise<void> {
    for (const name of await unlessAbsent(readdir(this.folder), []))
      if (!known.has(name)) await this.remove(name);
  }

  async #write(id: string, name: string, value: object): Promise<void> {
    const folder = this.folderOf(id);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeWhole(join(folder, name), `${JSON.stringify(value)}\n`, 0o600);
  }

  async #read<T>(id: string, name: string, schema: z.ZodType<T>): Promise<T> {
    const path = join(this.folderOf(id), name);
    try {
      return schema.parse(JSON.parse(await readFile(path, 'utf8')));
    } catch (cause) {
      // What a schema or a parser says may quote what it read: secrets.
      const reason =
        cause instanceof Error && 'code' in cause
          ? `error ${String(cause.code)}`
          : 'it is not as the format says';
      throw connectionErrors['credentials-damaged']({ path, reason });
    }
  }
}

function pendingName(key: string): string {
  return `new-key-${key}.json`;
}
