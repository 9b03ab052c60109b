/** A point that is open for longer: as long as it is, no prune takes what it consists of, even if it is deleted. */
import type { NbdExport } from '@corral/nbd/nbd-export';
import type { Repository } from '../repository.ts';
import type { Session } from '../session/session.ts';
import { diskExport } from './disk-export.ts';
import type { Point } from './point.ts';
import type { PointReader } from './point-reader.ts';
import type { StreamReader } from './stream-reader.ts';

export class HeldPoint implements AsyncDisposable {
  readonly #session: Session;
  readonly #reader: PointReader;

  private constructor(session: Session, reader: PointReader) {
    this.#session = session;
    this.#reader = reader;
  }

  /** @throws repository.point-not-found */
  static async open(repository: Repository, id: string, signal?: AbortSignal): Promise<HeldPoint> {
    const session = await repository.hold(await repository.point(id, signal), signal);
    try {
      // Read again: only a point that was there after the session was put is sure to be spared.
      return new HeldPoint(session, await repository.openPoint(id, signal));
    } catch (cause) {
      await session.end();
      throw cause;
    }
  }

  get point(): Point {
    return this.#reader.point;
  }

  /** For `Repository.restore`. */
  get reader(): PointReader {
    return this.#reader;
  }

  /** @throws repository.stream-not-found */
  disk(name: string): StreamReader {
    return this.#reader.disk(name);
  }

  /** A disk for an NBD server. @throws repository.stream-not-found */
  export(disk: string): NbdExport {
    return diskExport(this.disk(disk));
  }

  /** @throws repository.stream-not-found */
  async document(name: string, signal?: AbortSignal): Promise<Buffer> {
    return await this.#reader.document(name, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.end();
  }
}
