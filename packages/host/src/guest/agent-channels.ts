/** The guest agents of this host's VMs: one client per VM, since the channel serves one at a time. */
import { GuestAgent } from '@corral/qmp/guest-agent';
import type { DataDirectory } from '../data-directory.ts';

export class AgentChannels {
  readonly #directory: DataDirectory;
  readonly #agents = new Map<string, GuestAgent>();

  constructor(directory: DataDirectory) {
    this.#directory = directory;
  }

  /** Made at the first call; connects when it is used and lets go when idle. */
  of({ id, name }: { readonly id: string; readonly name: string }): GuestAgent {
    const known = this.#agents.get(id);
    if (known) return known;
    const path = this.#directory.socketAddress(this.#directory.vm(id).agentSocket);
    const agent = new GuestAgent({ path, guest: `VM ${name}` });
    this.#agents.set(id, agent);
    return agent;
  }

  /** To be called when the VM has ended. */
  async release(id: string): Promise<void> {
    const agent = this.#agents.get(id);
    this.#agents.delete(id);
    await agent?.close();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#agents.keys()].map((id) => this.release(id)));
  }
}
