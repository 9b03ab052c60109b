/** Where a restored disk goes. */
import { type FileHandle, open } from 'node:fs/promises';

export interface RestoreSink {
  /** Called in any order, several at once, never twice for one place. */
  write(offset: number, data: Buffer): Promise<void>;
  /** Only where the target may hold something else: called for the ranges that are zero. */
  zero?(offset: number, length: number): Promise<void>;
}

/** A new sparse file of the disk's size. It must not exist; the caller removes it if the restore fails. */
export class FileSink implements RestoreSink, AsyncDisposable {
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  static async create(path: string, sizeBytes: number): Promise<FileSink> {
    const handle = await open(path, 'wx', 0o600);
    try {
      await handle.truncate(sizeBytes);
      return new FileSink(handle);
    } catch (cause) {
      await handle.close();
      throw cause;
    }
  }

  async write(offset: number, data: Buffer): Promise<void> {
    for (let done = 0; done < data.length; ) {
      done += (await this.#handle.write(data, done, data.length - done, offset + done)).bytesWritten;
    }
  }

  /** Everything is on stable storage. */
  async sync(): Promise<void> {
    await this.#handle.sync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}
