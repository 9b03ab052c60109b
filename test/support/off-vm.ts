/** A VM that is off but for moments: its one disk is written by the test, as a guest would have. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from '@corral/api/client.gen';
import { Backup } from '@corral/api/schemas/backup';
import { type DiskSettings, VmSettings } from '@corral/api/schemas/vm-settings';
import type { Disk } from '@corral/disk/disk';
import { openLayer } from '@corral/disk/drivers';
import { openChainOf } from '@corral/host/backup/open-chain';
import { chainOf } from '@corral/host/chain/chain';
import { DataDirectory } from '@corral/host/data-directory';
import { succeeded } from './operations.ts';
import type { TestHost } from './test-host.ts';

export class OffVm {
  readonly id: string;
  readonly #host: TestHost;
  readonly #client: Client;

  private constructor(host: TestHost, id: string) {
    this.#host = host;
    this.#client = host.client;
    this.id = id;
  }

  /** Its disk is `data`. */
  static async create(host: TestHost, name: string, sizeBytes: number): Promise<OffVm> {
    const { client } = host;
    await succeeded(client, client.vm.create({ name, disks: [{ name: 'data', sizeBytes }] }));
    return new OffVm(host, (await client.vm.show(name)).id);
  }

  static async of(host: TestHost, name: string): Promise<OffVm> {
    return new OffVm(host, (await host.client.vm.show(name)).id);
  }

  get disk(): DiskSettings {
    const path = join(this.#host.data, 'vms', this.id, 'vm.json');
    return VmSettings.parse(JSON.parse(readFileSync(path, 'utf8'))).disks[0]!;
  }

  /** Files of its chain, top first. */
  get files(): string[] {
    return chainOf(this.disk).map(({ path }) => join(this.#host.data, 'vms', this.id, path));
  }

  write(offset: number, data: Buffer): Promise<void> {
    return this.#change((layer) => layer.write(data, offset));
  }

  zero(offset: number, length: number): Promise<void> {
    return this.#change((layer) => layer.zero(offset, length));
  }

  /**
   * While a QEMU of its own is there, which has nothing to write: a change of a VM that rests is found, and nothing is read
   * from it then.
   */
  async #change(change: (layer: Disk) => Promise<void>): Promise<void> {
    await succeeded(this.#client, this.#client.vm.start(this.id));
    const { format } = this.disk;
    {
      await using layer = await openLayer(this.files[0]!, { format, readOnly: false });
      await change(layer);
      await layer.flush();
    }
    await succeeded(this.#client, this.#client.vm.stop(this.id));
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const { signal } = new AbortController();
    await using directory = new DataDirectory(this.#host.data);
    await using disk = await openChainOf(directory, this.id, chainOf(this.disk), signal);
    const data = Buffer.alloc(length);
    await disk.read(data, offset);
    return data;
  }

  async backUp(request: { readonly full?: boolean } = {}): Promise<Backup> {
    const { output } = await succeeded(
      this.#client,
      this.#client.backup.run(this.id, { repository: 'vault', ...request }),
    );
    const { backupId } = output as { readonly backupId: string };
    return Backup.parse(await this.#client.backup.show(backupId, {}));
  }
}
