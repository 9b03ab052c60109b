/** Real etcd members on loopback, each a process of its own with its data in a temporary directory. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEtcdStore } from '@corral/store/etcd-store';

const project = join(import.meta.dirname, '..', '..', '..');
const candidates = [process.env['CORRAL_ETCD'], join(project, '.cache/host/etcd-server/usr/bin/etcd')];

/** The program, or undefined: the tests then skip and say so. */
export const etcdPath = candidates.find((path) => path !== undefined && existsSync(path));

export const skipWithoutEtcd =
  etcdPath === undefined &&
  'etcd is not there: run "npm test" for the set-up, or name the program in CORRAL_ETCD';

export interface EtcdFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface EtcdMember {
  readonly endpoint: string;
  start(): void;
  signal(signal: NodeJS.Signals): void;
  kill(): Promise<void>;
}

export interface EtcdCluster extends AsyncDisposable {
  readonly members: readonly EtcdMember[];
  readonly endpoints: readonly string[];
}

/** Started, and answering. @param tls demands certificates of clients */
export async function startEtcd(count = 1, tls?: EtcdFiles): Promise<EtcdCluster> {
  const directory = await mkdtemp(join(tmpdir(), 'corral-etcd-'));
  const ports = await freePorts(count * 2);
  const peers = ports.slice(count).map((port, index) => `m${index}=http://127.0.0.1:${port}`);
  const members = peers.map((_, index) => new Member(index, directory, ports[index]!, peers, tls));
  const cluster = {
    members,
    endpoints: members.map((member) => member.endpoint),
    async [Symbol.asyncDispose]() {
      for (const member of members) await member.kill();
      await rm(directory, { recursive: true });
    },
  };
  for (const member of members) member.start();
  if (!tls) await untilAnswering(cluster);
  return cluster;
}

async function untilAnswering(cluster: EtcdCluster): Promise<void> {
  for (const endpoint of cluster.endpoints) {
    await using store = openEtcdStore({ endpoints: [endpoint], limitMs: 20_000 });
    await store.revision();
  }
}

class Member implements EtcdMember {
  readonly endpoint: string;
  readonly #args: readonly string[];
  #process: ChildProcess | null = null;

  constructor(index: number, directory: string, port: number, peers: readonly string[], tls?: EtcdFiles) {
    this.endpoint = `${tls ? 'https' : 'http'}://127.0.0.1:${port}`;
    const peer = peers[index]!.split('=')[1]!;
    const options: Record<string, string> = {
      name: `m${index}`,
      'data-dir': join(directory, `m${index}`),
      'listen-client-urls': this.endpoint,
      'advertise-client-urls': this.endpoint,
      'listen-peer-urls': peer,
      'initial-advertise-peer-urls': peer,
      'initial-cluster': peers.join(','),
      'initial-cluster-token': directory,
      'heartbeat-interval': '50',
      'election-timeout': '500',
      'log-level': 'fatal',
      ...(tls ? { 'cert-file': tls.cert, 'key-file': tls.key, 'trusted-ca-file': tls.ca } : {}),
    };
    const flags = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
    this.#args = tls ? [...flags, '--client-cert-auth'] : flags;
  }

  start(): void {
    assert.equal(this.#process, null);
    this.#process = spawn(etcdPath!, this.#args, {
      stdio: 'ignore',
      env: { ETCD_UNSUPPORTED_ARCH: process.arch },
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
}

/** All held at once, so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => {
    const address = server.address();
    assert.ok(address && typeof address === 'object');
    return address.port;
  });
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
