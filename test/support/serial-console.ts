/** The serial console of a VM through the API, as somebody at a terminal sees it. */
import type { Duplex } from 'node:stream';
import type { Client } from '@corral/api/client.gen';
import { eventually } from './operations.ts';

export class SerialConsole implements Disposable {
  readonly #stream: Duplex;
  #seen = '';

  private constructor(stream: Duplex) {
    this.#stream = stream;
    stream.setEncoding('latin1');
    stream.on('data', (text: string) => {
      this.#seen += text;
    });
  }

  static async open(client: Client, vm: string): Promise<SerialConsole> {
    const { ticket } = await client.vm.ticket.create(vm, { kind: 'console' });
    return new SerialConsole(await client.vm.console(vm, { ticket }));
  }

  /** @returns what came until all that is there matches */
  async until(pattern: RegExp): Promise<string> {
    return eventually(
      `${pattern} on the console`,
      async () => this.#seen,
      (seen) => pattern.test(seen),
    );
  }

  type(line: string): void {
    this.#stream.write(`${line}\n`);
  }

  [Symbol.dispose](): void {
    this.#stream.destroy();
  }
}
