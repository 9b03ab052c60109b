/** The guest agents of this host's VMs: one client per VM, since the channel serves one at a time. */
import { GuestAgent } from '@corral/qmp/guest-agent';
import type { DataDirectory } from '../data-directory.ts';
import { guardErrors } from '../guard/errors.ts';

export interface AgentOf {
  readonly id: string;
  readonly name: string;
}

export class AgentChannels {
  readonly #directory: DataDirectory;
  readonly #agents = new Map<string, GuestAgent>();
  readonly #closing = new AbortController();
  readonly #background = new Set<Promise<void>>();
  readonly #lent = new Set<string>();

  constructor(directory: DataDirectory) {
    this.#directory = directory;
  }

  /** Made at the first call; connects when it is used and lets go when idle. @throws guard.frozen while it is lent */
  of(vm: AgentOf): GuestAgent {
    const { id, name } = vm;
    if (this.#lent.has(id)) throw guardErrors.frozen({ vm: name });
    const known = this.#agents.get(id);
    if (known) return known;
    const agent = this.open(vm);
    this.#agents.set(id, agent);
    return agent;
  }

  /** A client of the caller's own, for who has the channel to himself. */
  open({ id, name }: AgentOf): GuestAgent {
    const path = this.#directory.socketAddress(this.#directory.vm(id).agentSocket);
    return new GuestAgent({ path, guest: `VM ${name}` });
  }

  /** Lets go of the channel, so that another process can have it until the handle is disposed. @throws guard.frozen */
  async lend({ id, name }: AgentOf): Promise<Disposable> {
    if (this.#lent.has(id)) throw guardErrors.frozen({ vm: name });
    this.#lent.add(id);
    await this.release(id);
    return { [Symbol.dispose]: () => void this.#lent.delete(id) };
  }

  /** To be called when the VM has ended. */
  async release(id: string): Promise<void> {
    const agent = this.#agents.get(id);
    this.#agents.delete(id);
    await agent?.close();
  }

  /** Work with an agent that nobody waits for. @param work never rejects; ends soon when its signal aborts */
  inBackground(work: (closing: AbortSignal) => Promise<void>): void {
    const running = work(this.#closing.signal).finally(() => this.#background.delete(running));
    this.#background.add(running);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#background);
    await Promise.all([...this.#agents.keys()].map((id) => this.release(id)));
  }
}
