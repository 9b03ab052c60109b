/** Restores as the API sees them: looks into the backup, plans, and begins the operation that does it. */
import { join } from 'node:path';
import type { Backup, BackupQuery } from '@corral/api/schemas/backup';
import type {
  BackupListFiles,
  BackupVerify,
  RestoreDisk,
  RestoreFiles,
  RestoreInPlace,
  RestoreVm,
} from '@corral/api/schemas/restore';
import type { VmSettings } from '@corral/api/schemas/vm-settings';
import { newId } from '@corral/core/ids';
import type { OperationSnapshot } from '@corral/operation/operation';
import { vmErrors } from '../errors.ts';
import type { Requester, StartOperation } from '../operations.ts';
import { exists } from '../vm/disk-files.ts';
import { withFreePath } from '../vm/free-disk-path.ts';
import { planDisk } from '../vm/plan-vm.ts';
import { requireLegal } from '../vm/vm-host.ts';
import { newMac } from '../vm/vm-service.ts';
import { vmsFolder } from '../volume/placement.ts';
import { localName } from '../volume/volume-record.ts';
import { restoreErrors } from './errors.ts';
import { helperSettings } from './helper-vm.ts';
import { newVmSettings, standingOnBackup } from './plan-restore.ts';
import { savedSettings } from './point-machine.ts';
import { type RestoreHost, type RestoreSource, withSource } from './restore-host.ts';
import type { RestoreOperations } from './restore-operations.ts';
import { isolated } from './temporary-vm.ts';

/** A backup and where it was found. */
interface Found {
  readonly backup: Backup;
  readonly record: { readonly id: string; readonly name: string };
}

export interface RestoreServiceOptions {
  readonly restores: RestoreHost;
  readonly operations: RestoreOperations;
  readonly start: StartOperation;
  /** Of the VM that looks into disks. Paths are absolute. */
  readonly helperImage: (
    signal: AbortSignal,
  ) => Promise<{ readonly kernel: string; readonly initrd: string; readonly cmdline: string }>;
  readonly version: () => Promise<VmSettings['version']>;
  /** @throws backup.not-found, backup.not-found-anywhere */
  readonly find: (backup: string, query: BackupQuery, signal: AbortSignal) => Promise<Found>;
}

export class RestoreService {
  readonly #options: RestoreServiceOptions;

  constructor(options: RestoreServiceOptions) {
    this.#options = options;
  }

  async vm(
    backup: string,
    request: RestoreVm,
    caller: Requester,
    signal: AbortSignal,
  ): Promise<OperationSnapshot> {
    const { restores, operations } = this.#options;
    const { host } = restores;
    const found = await this.#find(backup, request, signal);
    const saved = await this.#settings(found, signal);
    const name = request.name ?? saved.name;
    if (await host.records.find(name)) throw vmErrors['name-taken']({ name });
    const volume = await host.volumes.target(request.volume ?? localName);
    const another = request.newId || (await host.records.find(saved.id)) !== null;
    const facts = { newId, newMac, now: new Date().toISOString() };
    const whole = newVmSettings(saved, found.backup.disks, { name, newId: another }, facts);
    const source = sourceOf(found);
    const socketOf = (index: number): string => host.pointServers.socketOf(whole.id, index);
    const settings = request.instant ? standingOnBackup(whole, source, { newId, socketOf }) : whole;
    return await this.#start(
      operations.vm,
      {
        source,
        settings,
        home: volume.local ? null : join(vmsFolder(volume), settings.id),
        volumes: volume.local ? [] : [volume.id],
        start: request.start || request.instant,
        copy: request.instant,
        boot: null,
        requestedBy: caller.name,
      },
      caller,
    );
  }

  async inPlace(
    backup: string,
    request: RestoreInPlace,
    caller: Requester,
    signal: AbortSignal,
  ): Promise<OperationSnapshot> {
    const { restores, operations } = this.#options;
    const { host } = restores;
    const found = await this.#find(backup, request, signal);
    const { vm } = found.backup;
    const record = await host.records.find(vm.id);
    if (!record) throw restoreErrors['other-vm']({ backup: found.backup.name, vm: vm.name });
    const { id, name } = record.settings;
    if (request.confirm !== name) throw restoreErrors['not-confirmed']({ vm: name });
    requireLegal(host, record, 'restore');
    await host.volumes.requireVm(record.settings);
    const { start } = request;
    const target = { source: sourceOf(found), vmId: id, vmName: name };
    return await this.#start(operations.inPlace, { ...target, start, requestedBy: caller.name }, caller);
  }

  async disk(
    backup: string,
    request: RestoreDisk,
    caller: Requester,
    signal: AbortSignal,
  ): Promise<OperationSnapshot> {
    const { restores, operations } = this.#options;
    const { host } = restores;
    const found = await this.#find(backup, request, signal);
    const [saved] = disksOf(found.backup, [request.disk]);
    const record = await host.records.get(request.vm);
    requireLegal(host, record, 'disk-add');
    await host.volumes.requireVm(record.settings);
    const source = { name: request.name ?? saved!.name, sizeBytes: saved!.sizeBytes };
    const facts = { newId, sources: new Map(), image: null, volumes: new Map() };
    const planned = planDisk(record.settings, source, facts);
    const disk = await withFreePath(host, record.settings.id, planned.disk);
    const { id: vmId, name: vmName } = record.settings;
    const target = { source: sourceOf(found), vmId, vmName, from: saved!.name, disk };
    return await this.#start(operations.disk, { ...target, requestedBy: caller.name }, caller);
  }

  async files(
    backup: string,
    request: RestoreFiles,
    caller: Requester,
    signal: AbortSignal,
  ): Promise<OperationSnapshot> {
    const found = await this.#find(backup, request, signal);
    const { directory, format } = request;
    const disks = disksOf(found.backup, request.disks).map(({ name }) => name);
    const whole = request.disks === undefined;
    const input = { source: sourceOf(found), directory, format, disks, whole };
    return await this.#start(this.#options.operations.files, input, caller);
  }

  async verify(
    backup: string,
    request: BackupVerify,
    caller: Requester,
    signal: AbortSignal,
  ): Promise<OperationSnapshot> {
    const { host } = this.#options.restores;
    const found = await this.#find(backup, request, signal);
    const saved = await this.#settings(found, signal);
    const source = sourceOf(found);
    const wish = { name: `verify-${newId().slice(0, 8)}`, newId: true };
    const facts = { newId, newMac, now: new Date().toISOString() };
    const whole = isolated(newVmSettings(saved, found.backup.disks, wish, facts));
    const socketOf = (index: number): string => host.pointServers.socketOf(whole.id, index);
    return await this.#start(
      this.#options.operations.verify,
      {
        source,
        vm: found.backup.vm,
        settings: standingOnBackup(whole, source, { newId, socketOf }),
        console: request.console ?? null,
        limitMs: request.limitMs,
      },
      caller,
    );
  }

  /** @param target where the file goes on the host; null: list */
  async browse(
    backup: string,
    request: BackupListFiles,
    target: string | null,
    caller: Requester,
    signal: AbortSignal,
  ): Promise<OperationSnapshot> {
    const { helperImage, restores, version } = this.#options;
    const { pointServers } = restores.host;
    const found = await this.#find(backup, request, signal);
    const [disk] = disksOf(found.backup, [request.disk]);
    if (target !== null && (await exists(target))) throw restoreErrors.exists({ path: target });
    const source = sourceOf(found);
    const { cmdline, ...boot } = await helperImage(signal);
    const settings = helperSettings(disk!, source, {
      newId,
      now: new Date().toISOString(),
      version: await version(),
      cmdline,
      socketOf: (vmId, index) => pointServers.socketOf(vmId, index),
    });
    const input = { source, settings, boot, disk: request.disk, path: request.path, target };
    return await this.#start(this.#options.operations.browse, input, caller);
  }

  #find(backup: string, { repository }: BackupQuery, signal: AbortSignal): Promise<Found> {
    return this.#options.find(backup, repository === undefined ? {} : { repository }, signal);
  }

  #settings(found: Found, signal: AbortSignal): Promise<VmSettings> {
    return withSource(this.#options.restores, sourceOf(found), signal, ({ held }) =>
      savedSettings(held, signal),
    );
  }

  #start<Input>(
    operation: Parameters<StartOperation>[0] & { readonly inputType?: Input },
    input: Input,
    caller: Requester,
  ): Promise<OperationSnapshot> {
    return this.#options.start(operation, input, { requestedBy: caller.name });
  }
}

function sourceOf({ backup, record }: Found): RestoreSource {
  return {
    repositoryId: record.id,
    repositoryName: record.name,
    pointId: backup.id,
    pointName: backup.name,
  };
}

/** Names that become those of files. */
const plainName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** Those that were asked for; default: all. @throws restore.no-such-disk */
function disksOf(backup: Backup, names: readonly string[] | undefined): Backup['disks'] {
  const usable = backup.disks.filter(({ name }) => plainName.test(name));
  for (const disk of names ?? []) {
    if (usable.some(({ name }) => name === disk)) continue;
    const disks = usable.map(({ name }) => name);
    throw restoreErrors['no-such-disk']({ backup: backup.name, disk, disks });
  }
  return usable.filter(({ name }) => names?.includes(name) ?? true);
}
