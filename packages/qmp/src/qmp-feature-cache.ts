/** Features by binary, so that a host with many machines reads each binary's schema once. */
import { stat } from 'node:fs/promises';
import type { CallOptions, QmpClient } from './qmp-client.ts';
import { QmpFeatures } from './qmp-features.ts';

/** A host runs one or two binaries, a few more while it is upgraded. */
const BINARIES = 8;

export class QmpFeatureCache {
  readonly #features = new Map<string, Promise<QmpFeatures>>();

  /**
   * @param key what tells this binary from others, as `binaryKey` makes it.
   * @throws as `QmpClient.execute`; a failure is not kept.
   */
  async of(client: QmpClient, key: string, options?: CallOptions): Promise<QmpFeatures> {
    const known = this.#features.get(key);
    if (known) return await known;
    const asked = client.execute('query-qmp-schema', {}, options).then((schema) => new QmpFeatures(schema));
    this.#features.set(key, asked);
    const oldest = this.#features.keys().next().value;
    if (this.#features.size > BINARIES && oldest !== undefined) this.#features.delete(oldest);
    try {
      return await asked;
    } catch (cause) {
      if (this.#features.get(key) === asked) this.#features.delete(key);
      throw cause;
    }
  }
}

/**
 * Tells a binary by what the file system knows of it. For a process that runs, `/proc/PID/exe` is the binary it was
 * started from, also after an upgrade has replaced the file.
 */
export async function binaryKey(path: string): Promise<string> {
  const { dev, ino, size, mtimeNs } = await stat(path, { bigint: true });
  return [dev, ino, size, mtimeNs].join(':');
}
