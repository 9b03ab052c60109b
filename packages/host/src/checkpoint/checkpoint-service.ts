/** Checkpoints as the API sees them: reads what is, and begins the operation that does what was asked. */
import { randomUUID } from 'node:crypto';
import type {
  Checkpoint,
  CheckpointApply,
  CheckpointCreate,
  CheckpointExport,
  CheckpointPresent,
} from '@corral/api/schemas/checkpoint';
import type { OperationSnapshot } from '@corral/operation/operation';
import type { ChainState } from '../chain/chain-records.ts';
import { planFork } from '../chain/fork.ts';
import { checkpointErrors } from '../errors.ts';
import type { Requester, StartOperation } from '../operations.ts';
import { requireLegal, type VmHost } from '../vm/vm-host.ts';
import type { Capture } from './capture.ts';
import type { CheckpointOperations } from './checkpoint-operations.ts';
import type { CheckpointRecord } from './checkpoint-record.ts';
import { oldestFirst, type TreeSizes } from './checkpoint-sizes.ts';
import { findCheckpoint, freeName, requireFreeName, subtreeOf } from './checkpoint-tree.ts';
import { measureTree } from './measure-tree.ts';

export interface CheckpointServiceOptions {
  readonly host: VmHost;
  readonly operations: CheckpointOperations;
  readonly start: StartOperation;
}

/** Of a checkpoint that keeps the present while another is applied. */
const defaultFreezeLimitMs = 10_000;

export class CheckpointService {
  readonly #host: VmHost;
  readonly #operations: CheckpointOperations;
  readonly #start: StartOperation;

  constructor({ host, operations, start }: CheckpointServiceOptions) {
    this.#host = host;
    this.#operations = operations;
    this.#start = start;
  }

  /** Oldest first. */
  async list(vm: string): Promise<{ readonly items: Checkpoint[]; readonly present: CheckpointPresent }> {
    const state = await this.#read(vm);
    const sizes = await measureTree(this.#host.directory, state);
    return {
      items: oldestFirst(state.checkpoints).map((checkpoint) => view(checkpoint, state, sizes)),
      present: { parentId: state.vm.checkpointId, sizeBytes: sizes.presentBytes },
    };
  }

  async show(vm: string, checkpoint: string): Promise<Checkpoint> {
    const state = await this.#read(vm);
    const found = findCheckpoint(state.checkpoints, state.vm.settings.name, checkpoint);
    return view(found, state, await measureTree(this.#host.directory, state));
  }

  async create(vm: string, request: CheckpointCreate, caller: Requester): Promise<OperationSnapshot> {
    const state = await this.#read(vm);
    requireLegal(this.#host, state.vm, 'checkpoint-create');
    await this.#host.volumes.requireVm(state.vm.settings);
    const capture = newCapture(state, request);
    // What can be refused at once is.
    planFork(state.vm.settings, capture.id);
    return this.#start(this.#operations.create, capture, { requestedBy: caller.name });
  }

  async apply(
    vm: string,
    checkpoint: string,
    request: CheckpointApply,
    caller: Requester,
  ): Promise<OperationSnapshot> {
    const state = await this.#read(vm);
    requireLegal(this.#host, state.vm, 'checkpoint-apply');
    await this.#host.volumes.requireVm(state.vm.settings);
    const { settings } = state.vm;
    const { id, name } = findCheckpoint(state.checkpoints, settings.name, checkpoint);
    if (!request.present) {
      throw checkpointErrors['present-at-stake']({ vm: settings.name, checkpoint: name });
    }
    const first =
      request.present === 'checkpoint' ? newCapture(state, { name: request.checkpointName }) : null;
    const generationId = randomUUID();
    const target = { vmId: settings.id, vmName: settings.name, id, name };
    return this.#start(
      this.#operations.apply,
      { ...target, first, generationId, requestedBy: caller.name },
      { requestedBy: caller.name },
    );
  }

  async rename(vm: string, checkpoint: string, name: string, caller: Requester): Promise<OperationSnapshot> {
    const state = await this.#read(vm);
    const { settings } = state.vm;
    const { id, name: from } = findCheckpoint(state.checkpoints, settings.name, checkpoint);
    requireFreeName(state.checkpoints, settings.name, name, id);
    const input = { vmId: settings.id, vmName: settings.name, id, from, name };
    return this.#start(this.#operations.rename, input, { requestedBy: caller.name });
  }

  async delete(
    vm: string,
    checkpoint: string,
    options: { readonly subtree: boolean },
    caller: Requester,
  ): Promise<OperationSnapshot> {
    const state = await this.#read(vm);
    requireLegal(this.#host, state.vm, 'checkpoint-delete');
    await this.#host.volumes.requireVm(state.vm.settings);
    const { settings } = state.vm;
    const found = findCheckpoint(state.checkpoints, settings.name, checkpoint);
    const going = options.subtree ? subtreeOf(state.checkpoints, found.id) : [found];
    const checkpoints = going.map(({ id, name }) => ({ id, name }));
    const input = { vmId: settings.id, vmName: settings.name, checkpoints };
    return this.#start(this.#operations.delete, input, { requestedBy: caller.name });
  }

  async export(
    vm: string,
    checkpoint: string,
    request: CheckpointExport,
    caller: Requester,
  ): Promise<OperationSnapshot> {
    const { vm: record, checkpoints } = await this.#read(vm);
    const { id: vmId, name: vmName } = record.settings;
    const { id, name } = findCheckpoint(checkpoints, vmName, checkpoint);
    const { directory, flatten, format = null } = request;
    const input = { vmId, vmName, id, name, directory, flatten, format };
    return this.#start(this.#operations.export, input, { requestedBy: caller.name });
  }

  async #read(vm: string): Promise<ChainState> {
    const { settings } = await this.#host.records.get(vm);
    return this.#host.chainRecords.read(settings.id);
  }
}

/** @throws checkpoint.name-taken */
function newCapture(state: ChainState, request: Partial<CheckpointCreate>): Capture {
  const { settings } = state.vm;
  const createdAt = new Date().toISOString();
  const name = request.name ?? freeName(state.checkpoints, createdAt);
  requireFreeName(state.checkpoints, settings.name, name);
  return {
    vmId: settings.id,
    vmName: settings.name,
    id: randomUUID(),
    name,
    createdAt,
    type: request.type ?? 'standard',
    allowCrash: request.allowCrash ?? false,
    freezeLimitMs: request.freezeLimitMs ?? defaultFreezeLimitMs,
  };
}

function view(checkpoint: CheckpointRecord, { vm }: ChainState, sizes: TreeSizes): Checkpoint {
  const { id, name, vmId, parentId, type, asked, consistency, reason, state, createdAt, pauseMs } =
    checkpoint;
  const { sizeBytes, changedBytes } = sizes.checkpoints.get(id)!;
  return {
    id,
    name,
    vmId,
    parentId,
    type,
    askedType: asked,
    consistency,
    reason,
    state,
    createdAt,
    pauseMs,
    sizeBytes,
    changedBytes,
    current: vm.checkpointId === id,
  };
}
