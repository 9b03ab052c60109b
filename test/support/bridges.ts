/** Bridges of a test's own, gone when they are disposed. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);

export interface TestBridge extends AsyncDisposable {
  readonly name: string;
  /** What is plugged into it. */
  readonly devices: () => Promise<string[]>;
}

/** Linux' Documentation/networking/ip-sysctl.rst, arp_ignore. */
const answerForNoAddress = '8';

export async function testBridge(): Promise<TestBridge> {
  const name = `ctest${randomBytes(3).toString('hex')}`;
  await using stack = new AsyncDisposableStack();
  await execute('ip', ['link', 'add', name, 'type', 'bridge']);
  stack.defer(async () => void (await execute('ip', ['link', 'delete', name])));
  // A host answers on every interface for all addresses that it has: guests with the same ones would talk to it.
  await writeFile(`/proc/sys/net/ipv4/conf/${name}/arp_ignore`, answerForNoAddress);
  await execute('ip', ['link', 'set', name, 'up']);
  const made = stack.move();
  return {
    name,
    devices: async () => {
      const { stdout } = await execute('ip', ['-json', 'link', 'show', 'master', name]);
      return (JSON.parse(stdout) as { readonly ifname: string }[]).map(({ ifname }) => ifname);
    },
    [Symbol.asyncDispose]: () => made.disposeAsync(),
  };
}
