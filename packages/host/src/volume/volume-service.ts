/** Volumes as the API sees them. */
import type { Volume, VolumeAdd, VolumeCheck, VolumePatch, VolumeSeize } from '@corral/api/schemas/volume';
import { newId } from '@corral/core/ids';
import type { OperationSnapshot } from '@corral/operation/operation';
import type { Requester, StartOperation } from '../operations.ts';
import { checkVolume, type VmInspector } from './check-volume.ts';
import { volumeErrors } from './errors.ts';
import { leavesReserve, overcommitRatio, reserveOf } from './space-rules.ts';
import type { TakeVolumeInput } from './take-volume.ts';
import { allocatedBytes } from './usage.ts';
import {
  refuseLocal,
  requireFreePlace,
  requireNoneRuns,
  requireUnused,
  type VolumeHost,
  volumeUsers,
} from './volume-host.ts';
import type { VolumeOperations } from './volume-operations.ts';
import type { VolumeRecord } from './volume-record.ts';
import { foreign } from './volumes.ts';

export interface VolumeServiceOptions {
  readonly host: VolumeHost;
  readonly operations: VolumeOperations;
  readonly start: StartOperation;
  /** What knows of files of a VM beside those in its settings (checkpoints, seals of layers). */
  readonly inspectors: readonly VmInspector[];
}

export class VolumeService {
  readonly #options: VolumeServiceOptions;
  readonly #host: VolumeHost;

  constructor(options: VolumeServiceOptions) {
    this.#options = options;
    this.#host = options.host;
  }

  async list(): Promise<Volume[]> {
    return Promise.all((await this.#host.volumes.records.list()).map((record) => this.#view(record)));
  }

  async show(volume: string): Promise<Volume> {
    return this.#view(await this.#host.volumes.records.get(volume));
  }

  async add(request: VolumeAdd, caller: Requester): Promise<OperationSnapshot> {
    const input = await this.#taking(request.name, request.path, request.reserveBytes);
    const owner = (await this.#host.volumes.driver.readOwner(input.root))?.owner;
    if (owner && owner.id !== this.#host.volumes.self.id) throw foreign(input.name, input.root, owner);
    return this.#options.start(this.#options.operations.add, input, { requestedBy: caller.name });
  }

  /** @param volume a volume of this host, or the name that it gets here */
  async seize(volume: string, request: VolumeSeize, caller: Requester): Promise<OperationSnapshot> {
    const known = await this.#host.volumes.records.find(volume);
    const path = request.path ?? known?.root;
    if (path === undefined) throw volumeErrors['not-found']({ volume });
    const input = await this.#taking(known?.name ?? volume, path, request.reserveBytes);
    return this.#options.start(this.#options.operations.seize, input, { requestedBy: caller.name });
  }

  async update(volume: string, patch: VolumePatch, caller: Requester): Promise<OperationSnapshot> {
    const record = await this.#host.volumes.records.get(volume);
    const input = { ...target(record), reserveBytes: patch.reserveBytes };
    return this.#options.start(this.#options.operations.set, input, { requestedBy: caller.name });
  }

  async remove(volume: string, caller: Requester): Promise<OperationSnapshot> {
    const record = await this.#host.volumes.records.get(volume);
    refuseLocal(record, 'removed');
    await requireUnused(this.#host, record);
    return this.#options.start(this.#options.operations.remove, target(record), {
      requestedBy: caller.name,
    });
  }

  async release(volume: string, caller: Requester): Promise<OperationSnapshot> {
    const record = await this.#host.volumes.records.get(volume);
    refuseLocal(record, 'released');
    await requireNoneRuns(this.#host, record);
    const { problem, state } = await this.#host.volumes.standing(record);
    if (problem && state !== 'released') throw problem;
    const vms = (await volumeUsers(this.#host, record)).map(({ id }) => id);
    const input = { ...target(record), vms };
    return this.#options.start(this.#options.operations.release, input, { requestedBy: caller.name });
  }

  /** @param vm only this one */
  async check(volume: string, vm: string | undefined, signal: AbortSignal): Promise<VolumeCheck> {
    const record = await this.#host.volumes.records.get(volume);
    const only = vm === undefined ? null : await this.#host.vms.get(vm);
    return checkVolume({
      volumes: this.#host.volumes,
      volume: record,
      vms: await this.#host.vms.list(),
      only: only?.settings.id ?? null,
      inspectors: this.#options.inspectors,
      signal,
    });
  }

  /** What can be refused at once is; the id is that of the volume that lies there. */
  async #taking(name: string, path: string, reserveBytes: number | undefined): Promise<TakeVolumeInput> {
    const { driver, separateUsers } = this.#host.volumes;
    const root = await driver.resolveRoot(path, separateUsers);
    const known = await requireFreePlace(this.#host, name, root);
    const file = await driver.readOwner(root);
    if (known && file && file.id !== known.id) {
      throw volumeErrors.replaced({ volume: name, path: root, found: file.id });
    }
    return { id: file?.id ?? known?.id ?? newId(), name, root, reserveBytes: reserveBytes ?? null };
  }

  async #view(record: VolumeRecord): Promise<Volume> {
    const { volumes } = this.#host;
    const { told: _told, root, ...shown } = record;
    const { state, problem, file } = await volumes.standing(record);
    const users = await volumeUsers(this.#host, record);
    const provisionedBytes = users.reduce((sum, user) => sum + user.provisionedBytes, 0);
    return {
      ...shown,
      path: root,
      state,
      stateReason: problem?.message ?? null,
      owner: file?.owner ?? null,
      generation: file?.generation ?? null,
      provisionedBytes,
      ...(await this.#figures(record, state === 'missing', provisionedBytes)),
      usedBy: users.map(({ id }) => id),
    };
  }

  async #figures(record: VolumeRecord, missing: boolean, provisionedBytes: number) {
    if (missing) {
      return {
        totalBytes: null,
        freeBytes: null,
        allocatedBytes: null,
        overcommitRatio: null,
        reserveBytes: record.reserveBytes ?? 0,
        belowReserve: false,
      };
    }
    const { volumes } = this.#host;
    const space = await volumes.driver.space(record.root);
    const allocated = await allocatedBytes(record, await volumes.records.list());
    const reserveBytes = reserveOf(record.reserveBytes, space.totalBytes);
    return {
      ...space,
      allocatedBytes: allocated,
      overcommitRatio: overcommitRatio(provisionedBytes, allocated, space.freeBytes),
      reserveBytes,
      belowReserve: !leavesReserve(space, 0, reserveBytes),
    };
  }
}

function target({ id, name, root }: VolumeRecord): { id: string; name: string; root: string } {
  return { id, name, root };
}
