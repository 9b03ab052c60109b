/** VMs as the API sees them: reads what is, and begins the operation that does what was asked. */
import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type {
  DiskSource,
  PortSource,
  SeedSource,
  Vm,
  VmClone,
  VmCreate,
  VmPatch,
} from '@corral/api/schemas/vm';
import type { DiskSettings, VmSettings } from '@corral/api/schemas/vm-settings';
import type { OperationSnapshot } from '@corral/operation/operation';
import { vmErrors } from '../errors.ts';
import type { Requester, StartOperation } from '../operations.ts';
import { disksFolder, vmsFolder } from '../volume/placement.ts';
import { localName } from '../volume/volume-record.ts';
import { requireFile } from './disk-files.ts';
import { requireRoom } from './disk-space.ts';
import { withFreePath } from './free-disk-path.ts';
import { plannedDisks } from './operations/create.ts';
import { patched } from './operations/set.ts';
import { pendingRestart } from './pending-restart.ts';
import { type ImageFacts, type PlanFacts, planDisk, planPort, planVm, type SourceFacts } from './plan-vm.ts';
import { requireLegal, type VmHost } from './vm-host.ts';
import type { VmOperations } from './vm-operations.ts';
import type { VmRecord } from './vm-record.ts';

export interface VmServiceOptions {
  readonly host: VmHost;
  readonly operations: VmOperations;
  readonly start: StartOperation;
  /** The operation under way on a VM, if there is one. */
  readonly operationOn: (vmId: string) => Promise<string | null>;
  /** @throws image.not-found */
  readonly image: (nameOrId: string) => Promise<ImageFacts>;
  /** Looks at a foreign file with our own parser before any program opens it (invariant 5). */
  readonly inspectSource: (path: string, keepsChain: boolean) => Promise<SourceFacts>;
  readonly inspectDevice: (path: string) => Promise<SourceFacts>;
  readonly makeSeed: (seed: SeedSource, instanceId: string, defaultHostname: string) => Promise<Uint8Array>;
  readonly version: () => Promise<VmSettings['version']>;
}

/** Ends of a VM, and what only asks, are possible on a volume that this host has lost. */
const writesFiles: ReadonlySet<Parameters<typeof requireLegal>[2]> = new Set([
  'start',
  'save',
  'set',
  'clone',
  'disk-add',
  'disk-remove',
  'disk-resize',
]);

type PlainAction = 'start' | 'stop' | 'pause' | 'resume' | 'save' | 'discard-saved' | 'reset';

export class VmService {
  readonly #options: VmServiceOptions;
  readonly #host: VmHost;

  constructor(options: VmServiceOptions) {
    this.#options = options;
    this.#host = options.host;
  }

  async list(): Promise<Vm[]> {
    const records = await this.#host.records.list();
    return Promise.all(records.map((record) => this.#view(record)));
  }

  async show(vm: string): Promise<Vm> {
    return this.#view(await this.#host.records.get(vm));
  }

  async create(request: VmCreate, caller: Requester): Promise<OperationSnapshot> {
    if (await this.#host.records.find(request.name)) throw vmErrors['name-taken']({ name: request.name });
    await this.#requireFiles(request.name, request);
    const image = request.image === undefined ? null : await this.#options.image(request.image);
    const placed = await this.#place(request.volume ?? localName, request.disks);
    const plan = planVm(request, {
      ...this.#idFacts(),
      volumes: placed.volumes,
      now: new Date().toISOString(),
      version: await this.#options.version(),
      image,
      sources: await this.#inspect(request.disks, request.keepCheckpoints),
      hasSeed: request.seed !== undefined,
    });
    const seed = request.seed && (await this.#options.makeSeed(request.seed, plan.settings.id, request.name));
    const home = placed.home.local ? null : join(vmsFolder(placed.home), plan.settings.id);
    await requireRoom(this.#host.volumes, `VM ${request.name}`, plannedDisks(this.#host, { ...plan, home }));
    return this.#options.start(
      this.#options.operations.create,
      {
        ...plan,
        home,
        volumes: placed.ids,
        seed: seed ? Buffer.from(seed).toString('base64') : null,
        start: request.start,
        requestedBy: caller.name,
      },
      { requestedBy: caller.name },
    );
  }

  async update(
    vm: string,
    patch: VmPatch,
    generation: number | null,
    caller: Requester,
  ): Promise<OperationSnapshot> {
    const record = await this.#legal(vm, 'set', generation);
    const taken = patch.name === undefined ? null : await this.#host.records.find(patch.name);
    if (taken && taken.settings.id !== record.settings.id)
      throw vmErrors['name-taken']({ name: patch.name! });
    await this.#requireFiles(record.settings.name, patch, record.settings.id);
    // Refused at once where it can be known; the operation looks again.
    patched(record.settings, { patch, generation }, false);
    return this.#start('set', { ...target(record), generation, patch }, caller);
  }

  /** @throws vm.file-missing now, not at the first start */
  async #requireFiles(vm: string, { iso, kernel }: Pick<VmPatch, 'iso' | 'kernel'>, id = ''): Promise<void> {
    const { directory } = this.#host;
    const files = { ISO: iso, kernel: kernel?.kernel, initrd: kernel?.initrd };
    for (const [what, path] of Object.entries(files)) {
      if (path) await requireFile(vm, what, directory.resolveInVm(id, path));
    }
  }

  async delete(vm: string, generation: number | null, caller: Requester): Promise<OperationSnapshot> {
    const record = await this.#legal(vm, 'delete', generation);
    return this.#start('delete', { ...target(record), uid: record.uid }, caller);
  }

  async clone(vm: string, request: VmClone, caller: Requester): Promise<OperationSnapshot> {
    const record = await this.#legal(vm, 'clone');
    const device = record.settings.disks.find(({ passThrough }) => passThrough);
    if (device) throw vmErrors['clone-device']({ vm: record.settings.name, disk: device.name });
    if (await this.#host.records.find(request.name)) throw vmErrors['name-taken']({ name: request.name });
    const settings = cloneSettings(record.settings, request.name, this.#idFacts());
    const target = request.volume === undefined ? null : await this.#host.volumes.target(request.volume);
    const home = target ?? (await this.#host.volumes.home(record.settings.id));
    const under = [...(await this.#host.volumes.under(record.settings)), ...(target ? [target] : [])];
    const volumes = under.filter(({ local }) => !local).map(({ id }) => id);
    return this.#start(
      'clone',
      {
        home: home === null || home.local ? null : join(vmsFolder(home), settings.id),
        volumes: [...new Set(volumes)],
        gathered: target !== null,
        sourceId: record.settings.id,
        sourceName: record.settings.name,
        settings,
        start: request.start,
        requestedBy: caller.name,
      },
      caller,
    );
  }

  async act(vm: string, action: PlainAction, caller: Requester): Promise<OperationSnapshot> {
    const record = await this.#legal(vm, action);
    return this.#start(action === 'discard-saved' ? 'discardSaved' : action, target(record), caller);
  }

  async shutdown(
    vm: string,
    options: { readonly limitMs: number; readonly force: boolean },
    caller: Requester,
  ): Promise<OperationSnapshot> {
    const record = await this.#legal(vm, 'shutdown');
    return this.#start('shutdown', { ...target(record), ...options }, caller);
  }

  async addDisk(vm: string, source: DiskSource, caller: Requester): Promise<OperationSnapshot> {
    const record = await this.#legal(vm, 'disk-add');
    const sources = await this.#inspect([source]);
    const home = await this.#host.volumes.home(record.settings.id);
    const { volumes, ids } = await this.#place(home?.name ?? localName, [source]);
    const planned = planDisk(record.settings, source, { ...this.#idFacts(), sources, image: null, volumes });
    const plan = { ...planned, disk: await withFreePath(this.#host, record.settings.id, planned.disk) };
    const path = this.#host.directory.resolveInVm(record.settings.id, plan.disk.path);
    await requireRoom(this.#host.volumes, `Disk ${source.name}`, [{ ...plan, path }]);
    return this.#start('diskAdd', { ...target(record), ...plan, volumes: ids }, caller);
  }

  async removeDisk(
    vm: string,
    name: string,
    options: { readonly keep: boolean },
    caller: Requester,
  ): Promise<OperationSnapshot> {
    const record = await this.#legal(vm, 'disk-remove');
    const disk = diskOf(record, name);
    return this.#start('diskRemove', { ...target(record), disk, keepFile: options.keep }, caller);
  }

  /** Shrinking is refused: what the guest has at the end would be lost. */
  async resizeDisk(
    vm: string,
    name: string,
    { sizeBytes }: { readonly sizeBytes: number },
    caller: Requester,
  ): Promise<OperationSnapshot> {
    const record = await this.#legal(vm, 'disk-resize');
    const disk = ownDiskOf(record, name);
    if (sizeBytes < disk.sizeBytes) {
      throw vmErrors['disk-shrinks']({ vm: record.settings.name, disk: name, sizeBytes: disk.sizeBytes });
    }
    return this.#start(
      'diskResize',
      { ...target(record), diskId: disk.id, diskName: disk.name, sizeBytes },
      caller,
    );
  }

  async acceptDisk(vm: string, name: string, caller: Requester): Promise<OperationSnapshot> {
    const record = await this.#legal(vm, 'disk-accept');
    const disk = ownDiskOf(record, name);
    return this.#start('diskAccept', { ...target(record), diskId: disk.id, diskName: disk.name }, caller);
  }

  async addPort(vm: string, source: PortSource, caller: Requester): Promise<OperationSnapshot> {
    const record = await this.#legal(vm, 'port-add');
    const port = planPort(record.settings, source, this.#idFacts());
    return this.#start('portAdd', { ...target(record), port }, caller);
  }

  async removePort(vm: string, name: string, caller: Requester): Promise<OperationSnapshot> {
    const record = await this.#legal(vm, 'port-remove');
    const port = record.settings.ports.find((candidate) => candidate.name === name || candidate.id === name);
    if (!port) throw vmErrors['port-not-found']({ vm: record.settings.name, port: name });
    return this.#start('portRemove', { ...target(record), port }, caller);
  }

  #start<K extends keyof VmOperations>(
    kind: K,
    input: NonNullable<VmOperations[K]['inputType']>,
    caller: Requester,
  ): Promise<OperationSnapshot> {
    const operation = this.#options.operations[kind] as never;
    return this.#options.start(operation, input, { requestedBy: caller.name });
  }

  async #legal(
    vm: string,
    action: Parameters<typeof requireLegal>[2],
    generation: number | null = null,
  ): Promise<VmRecord> {
    const record = await this.#host.records.get(vm);
    requireLegal(this.#host, record, action);
    if (writesFiles.has(action)) await this.#host.volumes.requireVm(record.settings);
    const actual = record.settings.generation;
    if (generation === null || generation === actual) return record;
    throw vmErrors.changed({
      vm: record.settings.name,
      expected: String(generation),
      actual: String(actual),
    });
  }

  async #inspect(disks: readonly DiskSource[], keepsChains = false): Promise<Map<string, SourceFacts>> {
    const facts = new Map<string, SourceFacts>();
    for (const { from, device } of disks) {
      if (from !== undefined) facts.set(from, await this.#options.inspectSource(from, keepsChains));
      if (device !== undefined) facts.set(device, await this.#options.inspectDevice(device));
    }
    return facts;
  }

  /** Where the VM is at home, and where the disks that name another volume go. */
  async #place(homeName: string, disks: readonly DiskSource[]) {
    const home = await this.#host.volumes.target(homeName);
    const volumes = new Map<string, string | null>();
    const ids = new Set(home.local ? [] : [home.id]);
    for (const { volume: name } of disks) {
      if (name === undefined) continue;
      const volume = await this.#host.volumes.target(name);
      volumes.set(name, volume.id === home.id ? null : disksFolder(volume));
      if (!volume.local) ids.add(volume.id);
    }
    return { home, volumes, ids: [...ids] };
  }

  #idFacts(): Pick<PlanFacts, 'newId' | 'newMac'> {
    return { newId: () => randomUUID(), newMac };
  }

  async #view(record: VmRecord): Promise<Vm> {
    const { format: _format, ...settings } = record.settings;
    const { state, reason } = this.#host.supervisor.status(record);
    return {
      ...settings,
      disks: settings.disks.map((disk) => ({
        ...disk,
        path: this.#host.directory.resolveInVm(settings.id, disk.path),
      })),
      state,
      stateReason: reason,
      pid: record.process?.pid ?? null,
      accelerator: record.process?.accelerator ?? null,
      startedAt: record.process?.startedAt ?? null,
      pendingRestart: pendingRestart(record),
      operationId: await this.#options.operationOn(settings.id),
    };
  }
}

/** @throws vm.disk-not-found */
function diskOf({ settings }: VmRecord, nameOrId: string): DiskSettings {
  const disk = settings.disks.find(({ name, id }) => name === nameOrId || id === nameOrId);
  if (!disk) throw vmErrors['disk-not-found']({ vm: settings.name, disk: nameOrId });
  return disk;
}

/** One whose content Corral keeps. @throws vm.disk-not-found, vm.fixed-device */
function ownDiskOf(record: VmRecord, nameOrId: string): DiskSettings {
  const disk = diskOf(record, nameOrId);
  if (disk.passThrough) throw vmErrors['fixed-device']({ vm: record.settings.name, disk: nameOrId });
  return disk;
}

function target(record: VmRecord): { id: string; name: string } {
  return { id: record.settings.id, name: record.settings.name };
}

/** QEMU's own prefix; the rest at random (IEEE 802: locally administered addresses would do as well). */
export function newMac(): string {
  const tail = [...randomBytes(3)].map((byte) => byte.toString(16).padStart(2, '0'));
  return ['52', '54', '00', ...tail].join(':');
}

/** A clone is another machine: nothing that identifies the first may be seen twice. Pure but for the ids. */
export function cloneSettings(
  source: VmSettings,
  name: string,
  facts: Pick<PlanFacts, 'newId' | 'newMac'>,
): VmSettings {
  return {
    ...source,
    id: facts.newId(),
    name,
    createdAt: new Date().toISOString(),
    generation: 1,
    generationId: facts.newId(),
    autostart: null,
    disks: source.disks.map((disk) => ({ ...disk, id: facts.newId() })),
    ports: source.ports.map((port) => ({ ...port, id: facts.newId(), mac: facts.newMac() })),
  };
}
