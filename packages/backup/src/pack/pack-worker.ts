/** Entry of a worker thread: answers requests in order. */
import { parentPort, workerData } from 'node:worker_threads';
import { asBuffer } from '../crypto/blake3.ts';
import type { RepositoryKeys } from '../crypto/keys.ts';
import { OutsideGarbage } from './outside-garbage.ts';
import { PackWork } from './pack-work.ts';
import {
  bytesOf,
  type MemoryReturn,
  type WorkerAnswer,
  type WorkerRequest,
  type WorkerSetup,
} from './worker-protocol.ts';

/** Buffers arrive as plain Uint8Arrays. */
function restoreKeys(keys: RepositoryKeys): RepositoryKeys {
  return {
    encrypted: keys.encrypted,
    repositoryId: asBuffer(keys.repositoryId),
    master: asBuffer(keys.master),
    block: asBuffer(keys.block),
    node: asBuffer(keys.node),
    name: asBuffer(keys.name),
  };
}

const garbage = new OutsideGarbage();
const work = new PackWork(restoreKeys((workerData as WorkerSetup).keys));

function answer(message: WorkerAnswer): void {
  parentPort!.postMessage(message);
}

parentPort!.on('message', (message: { job: number; request: WorkerRequest } | MemoryReturn) => {
  if ('memory' in message) {
    work.takeBack(message.memory);
    return;
  }
  const { job, request } = message;
  try {
    answer({ job, reply: work.do(request) });
    garbage.note(bytesOf(request));
  } catch (cause) {
    // The error crosses as its code and text; the pool makes it an error again.
    answer({ job, failure: cause instanceof Error ? cause.message : String(cause) });
  }
});

answer({ ready: true });
