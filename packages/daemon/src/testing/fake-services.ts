/**
 * A double of the daemon's services for tests of the API: VMs are objects in memory, every change is an operation
 * that has succeeded already, and what was asked is written down.
 */
import { PassThrough } from 'node:stream';
import type { GuestExec, KeyValue } from '@corral/api/schemas/guest';
import type { Vm } from '@corral/api/schemas/vm';
import { checkpointErrors, vmErrors } from '@corral/host/errors';
import { operationErrors } from '@corral/operation/errors';
import type { OperationSnapshot } from '@corral/operation/operation';
import type {
  Caller,
  CheckpointService,
  EventService,
  GuestService,
  OperationService,
  RepositoryService,
  ScreenService,
  Services,
  VmService,
} from '../services.ts';
import {
  sampleBackup,
  sampleChanges,
  sampleCheckpoint,
  sampleDoctorReport,
  sampleHost,
  sampleImage,
  sampleOperation,
  samplePlan,
  sampleReference,
  sampleRepository,
  sampleRepositoryStatistics,
  sampleTracking,
  sampleVm,
  sampleVolume,
  soundVolumeCheck,
} from './sample-objects.ts';

export interface FakeServices extends Services {
  readonly vmList: Vm[];
  readonly operationList: OperationSnapshot[];
  readonly keyValues: KeyValue[];
  readonly files: Map<string, Buffer>;
  /** What services were asked, in order: `vms.act web1 start by socket`. */
  readonly asked: string[];
  /** The far ends of consoles and displays that were opened. */
  readonly screensOpened: PassThrough[];
  /** Thrown by the next call of `host.show`. */
  failure: unknown;
}

interface State {
  readonly vmList: Vm[];
  readonly operationList: OperationSnapshot[];
  readonly asked: string[];
}

/** @param events the log that is followed and listed: a real one costs nothing */
export function fakeServices(events: EventService): FakeServices {
  const asked: string[] = [];
  const vmList = [sampleVm('web1')];
  const operationList: OperationSnapshot[] = [];
  const state: State = { vmList, operationList, asked };
  const keyValues: KeyValue[] = [];
  const files = new Map<string, Buffer>();
  const screensOpened: PassThrough[] = [];
  const start = (what: string, caller: Caller) => changed(state, what, caller);
  const services: FakeServices = {
    ...state,
    keyValues,
    files,
    screensOpened,
    failure: null,
    host: {
      autostop: async (caller) => start('host.autostop', caller),
      show: async () => {
        if (services.failure !== null) throw services.failure;
        return sampleHost();
      },
      doctor: async () => sampleDoctorReport(),
    },
    images: {
      list: async () => [sampleImage('micro')],
      show: async () => sampleImage('micro'),
      import: async (input, caller) => start(`images.import ${input.name}`, caller),
      build: async (input, caller) => start(`images.build ${input.recipe}`, caller),
      delete: async (image, caller) => start(`images.delete ${image}`, caller),
    },
    volumes: {
      list: async () => [sampleVolume('local')],
      show: async (volume) => sampleVolume(volume),
      add: async (input, caller) => start(`volumes.add ${input.name} ${input.path}`, caller),
      update: async (volume, patch, caller) =>
        start(`volumes.update ${volume} ${patch.reserveBytes}`, caller),
      remove: async (volume, caller) => start(`volumes.remove ${volume}`, caller),
      release: async (volume, caller) => start(`volumes.release ${volume}`, caller),
      seize: async (volume, _input, caller) => start(`volumes.seize ${volume}`, caller),
      check: async (volume) => ({ ...soundVolumeCheck, volume }),
    },
    repositories: fakeRepositories(state),
    references: {
      list: async () => [sampleReference('monday')],
      create: async (vm, input, caller) => start(`references.create ${vm} ${input.name}`, caller),
      delete: async (vm, reference, caller) => start(`references.delete ${vm} ${reference}`, caller),
    },
    changes: {
      open: async (vm, { since }, caller) => start(`changes.open ${vm} ${since}`, caller),
      list: async () => [sampleChanges()],
      show: async () => sampleChanges(),
      extents: async (_vm, _id, _disk, after) => ({
        items: after === 0 ? [{ offset: 0, length: 2048 }] : [],
        next: null,
      }),
      close: async (vm, id, caller) => start(`changes.close ${vm} ${id}`, caller),
    },
    exports: {
      export: async (vm, { directory }, caller) => start(`exports.export ${vm} ${directory}`, caller),
    },
    plans: {
      list: async () => [samplePlan('nightly')],
      show: async (plan) => samplePlan(plan),
      create: async ({ name }) => samplePlan(name),
      set: async (plan) => samplePlan(plan),
      run: async (plan, caller) => ({
        operations: [(await start(`plans.run ${plan}`, caller)).id],
        refused: [],
      }),
      delete: async (plan) => void asked.push(`plans.delete ${plan}`),
    },
    tracking: {
      show: async () => sampleTracking(),
      set: async () => sampleTracking(),
    },
    backups: {
      run: async (vm, { repository, full }, caller) =>
        start(`backups.run ${vm} ${repository} ${full}`, caller),
      list: async () => [sampleBackup('nightly')],
      show: async () => sampleBackup('nightly'),
      findings: async () => ({ items: [], next: null }),
      delete: async (backup, _query, caller) => start(`backups.delete ${backup}`, caller),
    },
    restores: {
      vm: async (backup, { name }, caller) => start(`restores.vm ${backup} ${name}`, caller),
      inPlace: async (backup, { confirm }, caller) => start(`restores.inPlace ${backup} ${confirm}`, caller),
      disk: async (backup, { disk, vm }, caller) => start(`restores.disk ${backup} ${disk} ${vm}`, caller),
      browse: async (backup, { disk, path }, target, caller) =>
        start(`restores.browse ${backup} ${disk} ${path} ${target}`, caller),
      verify: async (backup, { limitMs }, caller) => start(`restores.verify ${backup} ${limitMs}`, caller),
      files: async (backup, { directory }, caller) => start(`restores.files ${backup} ${directory}`, caller),
    },
    vms: fakeVms(state),
    checkpoints: fakeCheckpoints(state),
    registrations: {
      check: async ({ directory }) => ({
        id: vmList[0]!.id,
        name: 'web1',
        directory,
        source: 'export',
        checkpoints: 0,
        disks: 1,
        fits: true,
        findings: [],
      }),
      register: async ({ directory }, caller) => start(`registrations.register ${directory}`, caller),
    },
    guests: fakeGuests(keyValues, files),
    screens: fakeScreens(state, screensOpened),
    operations: fakeOperations(state),
    events,
  };
  return services;
}

function changed({ asked, operationList }: State, what: string, caller: Caller): OperationSnapshot {
  asked.push(`${what} by ${caller.name}`);
  const operation = sampleOperation({ title: what, state: 'succeeded', requestedBy: caller.name });
  operationList.push(operation);
  return operation;
}

function find(vmList: readonly Vm[], nameOrId: string): Vm {
  const vm = vmList.find(({ id, name }) => id === nameOrId || name === nameOrId);
  if (!vm) throw vmErrors['not-found']({ vm: nameOrId });
  return vm;
}

function fakeVms(state: State): VmService {
  const { vmList } = state;
  const change = async (vm: string, what: string, caller: Caller): Promise<OperationSnapshot> =>
    changed(state, `vms.${what} ${find(vmList, vm).name}`, caller);
  const checkGeneration = (vm: string, expected: number | null): void => {
    const { generation, name } = find(vmList, vm);
    if (expected === null || expected === generation) return;
    throw vmErrors.changed({ vm: name, expected: String(expected), actual: String(generation) });
  };
  return {
    list: async () => vmList,
    show: async (vm) => find(vmList, vm),
    create: async (input, caller) => {
      vmList.push(sampleVm(input.name, { cpus: input.cpus, memoryBytes: input.memoryBytes }));
      return change(input.name, 'create', caller);
    },
    update: async (vm, patch, expected, caller) => {
      checkGeneration(vm, expected);
      return change(vm, `update ${JSON.stringify(patch)}`, caller);
    },
    delete: async (vm, expected, caller) => {
      checkGeneration(vm, expected);
      return change(vm, 'delete', caller);
    },
    clone: async (vm, input, caller) => change(vm, `clone ${input.name}`, caller),
    act: async (vm, action, caller) => change(vm, `act ${action}`, caller),
    shutdown: async (vm, { force, limitMs }, caller) => change(vm, `shutdown ${limitMs} ${force}`, caller),
    addDisk: async (vm, disk, caller) => change(vm, `addDisk ${disk.name}`, caller),
    resizeDisk: async (vm, disk, { sizeBytes }, caller) =>
      change(vm, `resizeDisk ${disk} ${sizeBytes}`, caller),
    acceptDisk: async (vm, disk, caller) => change(vm, `acceptDisk ${disk}`, caller),
    removeDisk: async (vm, disk, { keep }, caller) => change(vm, `removeDisk ${disk} ${keep}`, caller),
    addPort: async (vm, port, caller) => change(vm, `addPort ${port.network}`, caller),
    removePort: async (vm, port, caller) => change(vm, `removePort ${port}`, caller),
  };
}

function fakeRepositories(state: State): RepositoryService {
  const change = async (what: string, caller: Caller): Promise<OperationSnapshot> =>
    changed(state, `repositories.${what}`, caller);
  return {
    list: async () => [sampleRepository('vault')],
    show: async () => sampleRepository('vault'),
    statistics: async () => sampleRepositoryStatistics(),
    prunePreview: async () => ({
      backups: [],
      deletedPoints: 0,
      lockedPoints: 0,
      deletedPacks: 0,
      freedBytes: 0,
    }),
    create: async ({ name }, caller) => change(`create ${name}`, caller),
    connect: async ({ name }, caller) => change(`connect ${name}`, caller),
    remove: async (repository, caller) => change(`remove ${repository}`, caller),
    set: async (repository, patch, caller) => change(`set ${repository} ${JSON.stringify(patch)}`, caller),
    check: async (repository, readData, caller) => change(`check ${repository} ${readData}`, caller),
    prune: async (repository, retention, caller) => change(`prune ${repository} ${retention}`, caller),
    repair: async (repository, caller) => change(`repair ${repository}`, caller),
    copy: async (repository, { to }, caller) => change(`copy ${repository} ${to}`, caller),
    keys: async () => [],
    addKey: async (repository, { name }, caller) => change(`addKey ${repository} ${name}`, caller),
    removeKey: async (repository, key, caller) => change(`removeKey ${repository} ${key}`, caller),
    changeKey: async (repository, { name }, caller) => change(`changeKey ${repository} ${name}`, caller),
  };
}

function fakeCheckpoints(state: State): CheckpointService {
  const { vmList } = state;
  const sample = sampleCheckpoint('before');
  const change = async (vm: string, what: string, caller: Caller): Promise<OperationSnapshot> =>
    changed(state, `checkpoints.${what} of ${find(vmList, vm).name}`, caller);
  const found = (vm: string, checkpoint: string): string => {
    if (checkpoint === sample.name || checkpoint === sample.id) return sample.name;
    throw checkpointErrors['not-found']({ vm, checkpoint });
  };
  return {
    list: async (vm) => {
      find(vmList, vm);
      return { items: [sample], present: { parentId: sample.id, sizeBytes: 4096 } };
    },
    show: async (vm, checkpoint) => {
      found(find(vmList, vm).name, checkpoint);
      return sample;
    },
    create: async (vm, { name, type }, caller) => change(vm, `create ${name} ${type}`, caller),
    apply: async (vm, checkpoint, { present }, caller) => {
      const name = found(vm, checkpoint);
      if (!present) throw checkpointErrors['present-at-stake']({ vm, checkpoint: name });
      return change(vm, `apply ${name} ${present}`, caller);
    },
    rename: async (vm, checkpoint, name, caller) =>
      change(vm, `rename ${found(vm, checkpoint)} ${name}`, caller),
    delete: async (vm, checkpoint, { subtree }, caller) =>
      change(vm, `delete ${found(vm, checkpoint)} ${subtree}`, caller),
    export: async (vm, checkpoint, { directory }, caller) =>
      change(vm, `export ${found(vm, checkpoint)} ${directory}`, caller),
  };
}

function fakeGuests(keyValues: KeyValue[], files: Map<string, Buffer>): GuestService {
  return {
    info: async () => ({
      agentVersion: '7.2',
      hostname: 'web1',
      osName: null,
      osVersion: null,
      kernel: null,
      addresses: [],
      clockOffsetMs: 0,
      commands: [],
    }),
    exec: async (_vm, { command, encoding }: GuestExec) => ({
      exitCode: 0,
      signal: null,
      encoding,
      stdout: command.join(' '),
      stderr: '',
      truncated: false,
    }),
    readFile: async (_vm, path) => {
      const content = files.get(path)!;
      return { sizeBytes: content.length, content: pieces(content) };
    },
    writeFile: async (_vm, path, content) => {
      files.set(path, Buffer.concat(await Array.fromAsync(content)));
      return files.get(path)!.length;
    },
    listKeyValues: async () => keyValues,
    putKeyValue: async (_vm, key, value) => {
      const pair = { key, value, source: 'host' } as const;
      keyValues.push(pair);
      return pair;
    },
    deleteKeyValue: async (_vm, key) => {
      const index = keyValues.findIndex((pair) => pair.key === key);
      keyValues.splice(index, 1);
    },
  };
}

async function* pieces(content: Buffer): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < content.length; offset += 1000) yield content.subarray(offset, offset + 1000);
}

/** What is sent comes back. */
function fakeScreens({ vmList }: State, opened: PassThrough[]): ScreenService {
  return {
    check: async (vm) => find(vmList, vm).id,
    open: async () => {
      const echo = new PassThrough();
      opened.push(echo);
      return echo;
    },
  };
}

function fakeOperations(state: State): OperationService {
  const { operationList } = state;
  const findOperation = (id: string): OperationSnapshot => {
    const operation = operationList.find((candidate) => candidate.id === id);
    if (!operation) throw operationErrors['not-found']({ id });
    return operation;
  };
  return {
    list: async () => ({ items: operationList, next: null }),
    show: async (id) => findOperation(id),
    cancel: async (id, caller) => changed(state, `operations.cancel ${id}`, caller),
    retry: async (id, caller) => changed(state, `operations.retry ${id}`, caller),
    follow: async function* (id, afterRevision) {
      const { revision } = findOperation(id);
      for (let next = (afterRevision ?? 0) + 1; next <= revision; next += 1) {
        yield { ...findOperation(id), revision: next };
      }
    },
  };
}
