/** What commands share during one run: where to print, which daemon, and a client that is made when first asked for. */
import { fileURLToPath } from 'node:url';
import type { Client } from '@corral/api/client.gen';
import type { CallOptions } from '@corral/api/client-types';
import { chooseEndpoint, type Endpoint } from './connection/endpoint.ts';
import type { GlobalOptions, OutputFormat } from './global-options.ts';
import { type Io, wantsColour } from './io.ts';
import { type Paint, paintFor } from './render/paint.ts';

/** Of the project that this file belongs to, as `npm start` makes it, then that of an installed one. */
const defaultSockets = [
  fileURLToPath(new URL('../../../data/corrald.sock', import.meta.url)),
  '/run/corral/corrald.sock',
] as const;

export class Context implements AsyncDisposable {
  readonly io: Io;
  #options: GlobalOptions = { output: 'table' };
  #client: Promise<Client> | null = null;

  constructor(io: Io) {
    this.io = io;
  }

  /** Takes the options of every command, once they are parsed. */
  use(options: GlobalOptions): void {
    this.#options = options;
  }

  get output(): OutputFormat {
    return this.#options.output;
  }

  get signal(): AbortSignal {
    return this.io.signal;
  }

  /** Options of an ordinary call of the client. */
  get call(): CallOptions {
    return { signal: this.io.signal };
  }

  /** Of standard output. */
  get paint(): Paint {
    return paintFor(wantsColour(this.io.stdout, this.io.env));
  }

  /** @throws cli.usage */
  get endpoint(): Endpoint {
    // An `import` of node:fs reads all its exports and loads what lies behind each: 3 ms of every call.
    const { existsSync } = process.getBuiltinModule('node:fs');
    return chooseEndpoint(this.#options, { env: this.io.env, defaultSockets, exists: existsSync });
  }

  /** @throws cli.usage; cli.file; client.bad-endpoint. Nothing is connected before the first call. */
  client(): Promise<Client> {
    this.#client ??= this.#connect();
    return this.#client;
  }

  async #connect(): Promise<Client> {
    const { endpoint } = this;
    const [{ Client }, { connectTo }] = await Promise.all([
      import('@corral/api/client.gen'),
      import('./connection/connect.ts'),
    ]);
    return new Client(connectTo(endpoint));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Whoever asked for the client was told why there is none.
    const client = await this.#client?.catch(() => null);
    client?.close();
  }
}
