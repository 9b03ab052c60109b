/** Makes ready what a run of a VM needs on the host, and starts QEMU. Every part is repeatable and can be undone. */
import { chmod, chown, constants, copyFile, type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import type { VmSettings } from '@corral/api/schemas/vm-settings';
import { type LayerFile, layerFile, layerFiles } from '../chain/layer-file.ts';
import type { DataDirectory, VmPaths } from '../data-directory.ts';
import { hostErrors, vmErrors } from '../errors.ts';
import { bridgeOf, createTap, deleteTap, tapName } from '../network/tap.ts';
import type { ProcessIdentity } from '../process/process-identity.ts';
import { spawnDetached } from '../process/spawn-detached.ts';
import { grantDevice, takeBackDevice } from '../storage/grant-device.ts';
import { exists, requireFile } from './disk-files.ts';
import { type FirmwareSource, firmwareFor } from './firmware.ts';
import { type HostPart, qemuCommandLine } from './qemu-command-line.ts';
import { lastWords, qemuLogPath, rotateLog } from './qemu-log.ts';
import { endTpm, startTpm } from './tpm.ts';
import type { VmRecord } from './vm-record.ts';

export interface LaunchHost {
  readonly directory: DataDirectory;
  readonly qemuBinary: string;
  readonly accelerator: 'kvm' | 'tcg';
}

/** Refuses a start that cannot succeed, before anything is made. */
export async function checkFiles(host: LaunchHost, vm: VmSettings): Promise<void> {
  const resolve = (path: string): string => host.directory.resolveInVm(vm.id, path);
  for (const disk of vm.disks) {
    await requireFile(vm.name, `disk "${disk.name}"`, resolve(disk.path));
    for (const layer of disk.parents) {
      await requireFile(vm.name, `layer below disk "${disk.name}"`, resolve(layer.path));
    }
  }
  if (vm.kernel) await requireFile(vm.name, 'kernel', resolve(vm.kernel.kernel));
  if (vm.kernel?.initrd) await requireFile(vm.name, 'initrd', resolve(vm.kernel.initrd));
  if (vm.iso) await requireFile(vm.name, 'ISO', resolve(vm.iso));
  await firmwareFor(vm);
}

/** Folders, firmware variables, TAP devices, TPM. */
export async function prepareRun(host: LaunchHost, record: VmRecord): Promise<void> {
  const { settings: vm, uid } = record;
  const paths = host.directory.vm(vm.id);
  await rm(paths.run, { recursive: true, force: true });
  await mkdir(paths.run, { mode: 0o700 });
  if (uid !== null) await chown(paths.run, uid, uid);
  await mkdir(paths.log, { recursive: true, mode: 0o700 });
  await rotateLog(paths.log);
  const firmware = await firmwareFor(vm);
  if (firmware) await prepareVariables(paths, firmware, uid);
  for (const port of vm.ports) {
    const bridge = bridgeOf(port.network);
    if (bridge) await createTap(tapName(port.id), bridge, uid);
  }
  for (const disk of vm.disks) {
    if (disk.passThrough && uid !== null) await grantDevice(vm.name, disk.name, disk.path, uid);
  }
  if (vm.tpm) await startTpm(host.directory, vm, uid);
}

/** Takes away what `prepareRun` made and the next run makes anew. Repeatable. */
export async function cleanUpRun(directory: DataDirectory, record: VmRecord): Promise<void> {
  const ports = new Map(
    [...record.settings.ports, ...(record.process?.applied.ports ?? [])].map((port) => [port.id, port]),
  );
  for (const port of ports.values()) if (bridgeOf(port.network)) await deleteTap(tapName(port.id));
  for (const { passThrough, path } of [...record.settings.disks, ...(record.process?.applied.disks ?? [])]) {
    if (passThrough && record.uid !== null) await takeBackDevice(path, record.uid);
  }
  if (record.settings.tpm || record.process?.applied.tpm) await endTpm(record.settings.id);
  await rm(directory.vm(record.settings.id).run, { recursive: true, force: true });
}

/** @throws vm.qemu-failed with its last words when it ends at once */
export async function spawnQemu(
  host: LaunchHost,
  record: VmRecord,
  incoming: boolean,
): Promise<ProcessIdentity> {
  const { settings: vm, uid } = record;
  const paths = host.directory.vm(vm.id);
  await using iso = vm.iso ? await openIso(host.directory.resolveInVm(vm.id, vm.iso)) : null;
  const part = await hostPart(host, vm, incoming, iso !== null);
  const { identity } = await spawnDetached({
    program: host.qemuBinary,
    args: qemuCommandLine(vm, part),
    cwd: host.directory.root,
    user: uid === null ? null : { uid, gid: uid },
    logPath: qemuLogPath(paths.log),
    fds: iso ? [iso.fd] : [],
  }).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') throw hostErrors['qemu-missing']({ binary: host.qemuBinary }, { cause });
    throw cause;
  });
  if (identity) return identity;
  throw vmErrors['qemu-failed']({ vm: vm.name, lastWords: await lastWords(paths.log) });
}

/** The first inherited descriptor: after stdin, stdout and stderr. */
const isoFd = 3;

async function hostPart(
  host: LaunchHost,
  vm: VmSettings,
  incoming: boolean,
  hasIso: boolean,
): Promise<HostPart> {
  const { directory } = host;
  const forQemu = (path: string): string => directory.forQemu(directory.resolveInVm(vm.id, path));
  const paths = directory.vm(vm.id);
  const firmware = await firmwareFor(vm);
  const diskFiles = new Map<string, LayerFile>();
  const parentFiles = new Map<string, LayerFile[]>();
  for (const { name, path, parents } of vm.disks) {
    diskFiles.set(name, await layerFile(directory, vm.id, path));
    parentFiles.set(name, await layerFiles(directory, vm.id, parents));
  }
  const relative = Object.fromEntries(
    Object.entries(paths).map(([key, path]) => [key, directory.forQemu(path as string)]),
  ) as unknown as VmPaths;
  return {
    accelerator: host.accelerator,
    dataRoot: directory.root,
    paths: relative,
    firmware: firmware && {
      code: firmware.code,
      variables: relative.firmwareVariables,
      needsSmm: firmware.needsSmm,
    },
    diskFiles,
    parentFiles,
    taps: new Map(
      vm.ports.filter((port) => bridgeOf(port.network)).map((port) => [port.name, tapName(port.id)]),
    ),
    kernel: vm.kernel && {
      kernel: forQemu(vm.kernel.kernel),
      initrd: vm.kernel.initrd && forQemu(vm.kernel.initrd),
    },
    isoFd: hasIso ? isoFd : null,
    seed: vm.seed && forQemu(vm.seed),
    incoming,
  };
}

/** Opened by the daemon: the VM's user needs no right to a file of somebody's library. */
function openIso(path: string): Promise<FileHandle> {
  return open(path, 'r');
}

async function prepareVariables(paths: VmPaths, firmware: FirmwareSource, uid: number | null): Promise<void> {
  const file = paths.firmwareVariables;
  if (!(await exists(file))) {
    await copyFile(firmware.variablesTemplate, file, constants.COPYFILE_EXCL);
    await chmod(file, 0o600);
  }
  if (uid !== null) await chown(file, uid, uid);
}
