/** An open point: its disks and documents. */
import type { RepositoryContext } from '../context.ts';
import { repositoryErrors } from '../errors.ts';
import { type Point, type PointStream, streamsOf } from './point.ts';
import { StreamReader } from './stream-reader.ts';

const documentLimit = 64 * 2 ** 20;

export class PointReader {
  readonly point: Point;
  readonly #context: RepositoryContext;

  constructor(context: RepositoryContext, point: Point) {
    this.#context = context;
    this.point = point;
  }

  get disks(): readonly StreamReader[] {
    return this.point.disks.map((disk) => new StreamReader(this.#context, disk));
  }

  /** @throws repository.stream-not-found */
  disk(name: string): StreamReader {
    return this.#stream(this.point.disks, name);
  }

  /** The whole content of a document. @throws repository.stream-not-found */
  async document(name: string, signal?: AbortSignal): Promise<Buffer> {
    const reader = this.#stream(this.point.documents, name);
    if (reader.sizeBytes > documentLimit) {
      throw repositoryErrors['object-damaged']({ name, reason: 'the document is too large' });
    }
    return await reader.read(0, reader.sizeBytes, signal);
  }

  /** A disk or a document. */
  stream(name: string): StreamReader {
    return this.#stream(streamsOf(this.point), name);
  }

  #stream(streams: readonly PointStream[], name: string): StreamReader {
    const stream = streams.find((candidate) => candidate.name === name);
    if (!stream) throw repositoryErrors['stream-not-found']({ point: this.point.id, name });
    return new StreamReader(this.#context, stream);
  }
}
