/** What a person sees of a VM: its serial console and its display. */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import type { DataDirectory } from '../data-directory.ts';
import type { Logger } from '../logger.ts';
import { requireLegal, type VmHost } from '../vm/vm-host.ts';
import { SerialConsole } from './serial-console.ts';

export type ScreenKind = 'console' | 'display';

export class SerialConsoles {
  readonly #directory: DataDirectory;
  readonly #log: Logger;
  readonly #consoles = new Map<string, SerialConsole>();

  constructor(directory: DataDirectory, log: Logger) {
    this.#directory = directory;
    this.#log = log;
  }

  /** Begins to read the port of a VM that runs. A new run has a new console. */
  attach(id: string): void {
    this.release(id);
    const path = this.#directory.socketAddress(this.#directory.vm(id).serialSocket);
    const onError = (cause: Error): void => this.#log.warn({ err: cause, vm: id }, 'serial port');
    this.#consoles.set(id, new SerialConsole(path, onError));
  }

  of(id: string): SerialConsole | undefined {
    return this.#consoles.get(id);
  }

  release(id: string): void {
    this.#consoles.get(id)?.close();
    this.#consoles.delete(id);
  }

  close(): void {
    for (const id of [...this.#consoles.keys()]) this.release(id);
  }
}

export class ScreenService {
  readonly #host: VmHost;
  readonly #consoles: SerialConsoles;

  constructor(host: VmHost, consoles: SerialConsoles) {
    this.#host = host;
    this.#consoles = consoles;
  }

  /** @throws vm.not-found, vm.illegal-state @returns the VM's id */
  async check(vm: string, kind: ScreenKind): Promise<string> {
    const record = await this.#host.records.get(vm);
    requireLegal(this.#host, record, kind);
    return record.settings.id;
  }

  /** The bytes of the serial port or of the VNC server. Ends when either side does. */
  async open(vmId: string, kind: ScreenKind, signal: AbortSignal): Promise<Duplex> {
    await this.check(vmId, kind);
    const { directory } = this.#host;
    const console = kind === 'console' ? this.#consoles.of(vmId) : undefined;
    if (console) return closedBy(console.open(), signal);
    const paths = directory.vm(vmId);
    const path = kind === 'console' ? paths.serialSocket : paths.vncSocket;
    const socket = connect(directory.socketAddress(path));
    await once(socket, 'connect', { signal });
    return closedBy(socket, signal);
  }
}

function closedBy(stream: Duplex, signal: AbortSignal): Duplex {
  const onAbort = (): void => void stream.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  stream.once('close', () => signal.removeEventListener('abort', onAbort));
  return stream;
}
