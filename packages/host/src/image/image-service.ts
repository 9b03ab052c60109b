/** Images as the API sees them. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Image, ImageBuild, ImageImport } from '@corral/api/schemas/image';
import { newId } from '@corral/core/ids';
import { imageErrors } from '@corral/image/errors';
import type { OperationSnapshot } from '@corral/operation/operation';
import { sealOf } from '../chain/seal.ts';
import type { Requester, StartOperation } from '../operations.ts';
import { occupiedBytes } from '../vm/disk-space.ts';
import type { ImageFacts } from '../vm/plan-vm.ts';
import {
  type ImageHost,
  imageFolder,
  type imageOperations,
  requireUnused,
  usersOf,
} from './image-operations.ts';
import type { ImageRecord } from './image-record.ts';

/** What a built image takes, at most: kernel and initramfs of the micro image are some 15 MiB. */
const builtBytes = 32 * 2 ** 20;

export class ImageService {
  readonly #host: ImageHost;
  readonly #operations: ReturnType<typeof imageOperations>;
  readonly #start: StartOperation;

  constructor(host: ImageHost, operations: ReturnType<typeof imageOperations>, start: StartOperation) {
    this.#host = host;
    this.#operations = operations;
    this.#start = start;
  }

  async list(): Promise<Image[]> {
    return Promise.all((await this.#host.records.list()).map((record) => this.#view(record)));
  }

  async show(image: string): Promise<Image> {
    return this.#view(await this.#host.records.get(image));
  }

  async build(build: ImageBuild, caller: Requester): Promise<OperationSnapshot> {
    const name = build.name ?? build.recipe;
    await this.#requireFree(name);
    await this.#requireSpace(name, builtBytes);
    return this.#start(this.#operations.build, { id: newId(), name, build }, { requestedBy: caller.name });
  }

  async import(request: ImageImport, caller: Requester): Promise<OperationSnapshot> {
    const { name } = request;
    await this.#requireFree(name);
    await this.#requireSpace(name, await occupiedBytes(request.path));
    const input = { id: newId(), name, import: request };
    return this.#start(this.#operations.import, input, { requestedBy: caller.name });
  }

  async delete(image: string, caller: Requester): Promise<OperationSnapshot> {
    const { id, name } = await this.#host.records.get(image);
    await requireUnused(this.#host, id, name);
    return this.#start(this.#operations.delete, { id, name }, { requestedBy: caller.name });
  }

  /** As the planner of VMs needs it. */
  async facts(image: string): Promise<ImageFacts> {
    const { id, profile, content, sizeBytes } = await this.#host.records.get(image);
    const folder = imageFolder(this.#host.directory, id);
    if (content.kind === 'disk') {
      const path = join(folder, `disk.${content.format}`);
      return { id, profile, kind: 'disk', path, format: content.format, sizeBytes, seal: await sealOf(path) };
    }
    const files = { kernel: join(folder, 'vmlinuz'), initrd: join(folder, 'initrd') };
    return { id, profile, kind: 'kernel', ...files, cmdline: content.cmdline };
  }

  /** @throws volume.below-reserve */
  async #requireSpace(name: string, bytes: number): Promise<void> {
    const { directory, volumes } = this.#host;
    await volumes.requireSpace(directory.images, bytes, `Image ${name}`);
  }

  async #requireFree(name: string): Promise<void> {
    if (await this.#host.records.find(name)) throw imageErrors.exists({ name });
  }

  async #view(record: ImageRecord): Promise<Image> {
    const { content, ...shown } = record;
    const users = await usersOf(this.#host, record.id);
    return {
      ...shown,
      kind: content.kind,
      format: content.kind === 'disk' ? content.format : null,
      storedBytes: await storedBytes(imageFolder(this.#host.directory, record.id)),
      usedBy: users.map(({ id }) => id),
    };
  }
}

/** stat(2) counts blocks of 512 bytes whatever the file system's are. */
async function storedBytes(folder: string): Promise<number> {
  const sizes = (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).blocks * 512);
  return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
}
