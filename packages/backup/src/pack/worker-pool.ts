/** A few worker threads that share the work of one repository. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { RepositoryKeys } from '../crypto/keys.ts';
import { repositoryErrors } from '../errors.ts';
import { PackWork } from './pack-work.ts';
import type { MemoryReturn, ReplyOf, WorkerRequest, WorkerSetup } from './worker-protocol.ts';

interface Job {
  readonly resolve: (reply: never) => void;
  readonly reject: (cause: unknown) => void;
}

interface Member {
  readonly worker: Worker;
  readonly jobs: Map<number, Job>;
}

const mostWorkers = 4;
/** What zlib leaves outside the heap is collected together with few objects inside it: a small young part does so sooner. */
const youngGenerationMb = 1;

export class WorkerPool {
  readonly size: number;
  readonly #keys: RepositoryKeys;
  readonly #members: Member[] = [];
  readonly #inPlace: PackWork | undefined;
  /** Which thread built the pack in this memory. */
  readonly #builders = new WeakMap<SharedArrayBuffer, Worker>();
  #nextJob = 0;

  /** With no threads at all the work is done in place. */
  constructor(keys: RepositoryKeys, size = Math.min(mostWorkers, availableParallelism())) {
    this.#keys = keys;
    this.size = Math.max(1, size);
    if (size === 0) this.#inPlace = new PackWork(keys);
  }

  /** Starts the threads; the first request does it otherwise. */
  start(): void {
    while (!this.#inPlace && this.#members.length < this.size) this.#members.push(this.#spawn());
  }

  /** Runs a request on the least busy thread. */
  async run<R extends WorkerRequest>(request: R): Promise<ReplyOf[R['type']]> {
    if (this.#inPlace) return this.#inPlace.do(request) as ReplyOf[R['type']];
    this.start();
    const member = this.#members.reduce((a, b) => (b.jobs.size < a.jobs.size ? b : a));
    return await this.#send(member, request);
  }

  /** Runs a request on every thread: open packs lie in each. */
  async runOnAll<R extends WorkerRequest>(request: R): Promise<ReplyOf[R['type']][]> {
    if (this.#inPlace) return [this.#inPlace.do(request) as ReplyOf[R['type']]];
    return await Promise.all(this.#members.map((member) => this.#send(member, request)));
  }

  /** Gives a stored pack's memory back to where it was built. */
  giveBack(memory: SharedArrayBuffer): void {
    this.#inPlace?.takeBack(memory);
    const message: MemoryReturn = { memory };
    this.#builders.get(memory)?.postMessage(message);
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
    const member: Member = { worker, jobs: new Map() };
    // An idle thread keeps no process alive.
    worker.unref();
    worker.on('message', (message: { job: number; reply?: ReplyOf[keyof ReplyOf]; failure?: string }) => {
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
    for (const job of member.jobs.values()) {
      job.reject(repositoryErrors['worker-failed']({ reason: cause.message }, { cause }));
    }
    member.jobs.clear();
  }
}
