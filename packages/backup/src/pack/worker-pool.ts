/**
 * A few worker threads that share the work of one repository. A thread takes longer to start than a small backup takes to be
 * packed: what comes first is done in place, and so is what comes while the threads start.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { RepositoryKeys } from '../crypto/keys.ts';
import { repositoryErrors } from '../errors.ts';
import { PackWork } from './pack-work.ts';
import {
  bytesOf,
  type MemoryReturn,
  type ReplyOf,
  type WorkerAnswer,
  type WorkerRequest,
  type WorkerSetup,
} from './worker-protocol.ts';

interface Job {
  readonly resolve: (reply: never) => void;
  readonly reject: (cause: unknown) => void;
}

interface Member {
  readonly worker: Worker;
  isReady: boolean;
  readonly jobs: Map<number, Job>;
}

const mostWorkers = 4;
/** So much before threads are started. */
const inPlaceBytes = 16 * 2 ** 20;
/** What ciphers leave outside the heap is collected together with few objects inside it: a small young part does so sooner. */
const youngGenerationMb = 1;

export class WorkerPool {
  readonly size: number;
  readonly #keys: RepositoryKeys;
  readonly #members: Member[] = [];
  readonly #inPlace: PackWork;
  #hasThreads: boolean;
  #workBytes = 0;
  /** Which thread built the pack in this memory; none: it was built in place. */
  readonly #builders = new WeakMap<SharedArrayBuffer, Worker>();
  #nextJob = 0;

  /** With no threads at all the work is done in place. */
  constructor(keys: RepositoryKeys, size = Math.min(mostWorkers, availableParallelism())) {
    this.#keys = keys;
    this.size = Math.max(1, size);
    this.#hasThreads = size > 0;
    this.#inPlace = new PackWork(keys);
  }

  /** Runs a request on the least busy thread, or in place. */
  async run<R extends WorkerRequest>(request: R): Promise<ReplyOf[R['type']]> {
    this.#workBytes += bytesOf(request);
    if (this.#hasThreads && this.#workBytes > inPlaceBytes) this.#start();
    const ready = this.#ready;
    if (ready.length === 0) return this.#inPlace.do(request) as ReplyOf[R['type']];
    return await this.#send(
      ready.reduce((a, b) => (b.jobs.size < a.jobs.size ? b : a)),
      request,
    );
  }

  get #ready(): Member[] {
    return this.#members.filter(({ isReady }) => isReady);
  }

  #start(): void {
    while (this.#members.length < this.size) this.#members.push(this.#spawn());
  }

  /** Runs a request on every thread that has begun to work, and in place: open packs lie in each. */
  async runOnAll<R extends WorkerRequest>(request: R): Promise<ReplyOf[R['type']][]> {
    const threads = this.#ready.map((member) => this.#send(member, request));
    const own = this.#inPlace.do(request) as ReplyOf[R['type']];
    return [own, ...(await Promise.all(threads))];
  }

  /** Gives a stored pack's memory back to where it was built. */
  giveBack(memory: SharedArrayBuffer): void {
    const message: MemoryReturn = { memory };
    const builder = this.#builders.get(memory);
    if (builder) builder.postMessage(message);
    else this.#inPlace.takeBack(memory);
  }

  async close(): Promise<void> {
    await Promise.all(this.#members.splice(0).map(({ worker }) => worker.terminate()));
  }

  #send<R extends WorkerRequest>(member: Member, request: R): Promise<ReplyOf[R['type']]> {
    this.#nextJob += 1;
    const job = this.#nextJob;
    return new Promise((resolve, reject) => {
      member.jobs.set(job, { resolve, reject });
      if (member.jobs.size === 1) member.worker.ref();
      member.worker.postMessage({ job, request });
    });
  }

  #spawn(): Member {
    const setup: WorkerSetup = { keys: this.#keys };
    const worker = new Worker(new URL('./pack-worker.ts', import.meta.url), {
      workerData: setup,
      resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMb },
    });
    const member: Member = { worker, isReady: false, jobs: new Map() };
    // An idle thread keeps no process alive.
    worker.unref();
    worker.on('message', (message: WorkerAnswer) => {
      if ('ready' in message) {
        member.isReady = true;
        return;
      }
      const job = member.jobs.get(message.job);
      member.jobs.delete(message.job);
      if (member.jobs.size === 0) worker.unref();
      if (message.reply && 'packs' in message.reply) {
        for (const { data } of message.reply.packs) this.#builders.set(data, worker);
      }
      if (message.failure === undefined) job?.resolve(message.reply as never);
      else job?.reject(repositoryErrors['worker-failed']({ reason: message.failure }));
    });
    worker.on('error', (cause) => this.#lost(member, cause));
    worker.on('exit', (code) => this.#lost(member, new Error(`exit code ${code}`)));
    return member;
  }

  #lost(member: Member, cause: Error): void {
    const at = this.#members.indexOf(member);
    if (at >= 0) this.#members.splice(at, 1);
    // One that cannot even start is not tried again: the work is done in place.
    if (!member.isReady) this.#hasThreads = false;
    for (const job of member.jobs.values()) {
      job.reject(repositoryErrors['worker-failed']({ reason: cause.message }, { cause }));
    }
    member.jobs.clear();
  }
}
