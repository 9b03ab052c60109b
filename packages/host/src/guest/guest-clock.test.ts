import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { AgentRefusal, type FakeAgentAnswer, startFakeAgent } from '@corral/qmp/testing/fake-agent';
import { openMemoryStore } from '@corral/store/memory-store';
import { DataDirectory } from '../data-directory.ts';
import type { Logger } from '../logger.ts';
import { sampleVm } from '../testing/sample-vm.ts';
import { VmRecords } from '../vm/vm-record.ts';
import { AgentChannels } from './agent-channels.ts';
import { followHostClock } from './guest-clock.ts';

const nanosecondsPerMs = 1e6;

interface Bench {
  readonly agents: AgentChannels;
  readonly warnings: string[];
  /** Sets the clock going, and waits until that has ended by itself. */
  follow(): Promise<void>;
}

/** A running VM whose agent gives these answers; null: it has none. */
async function bench(
  t: TestContext,
  answers: Readonly<Record<string, FakeAgentAnswer>> | null,
): Promise<Bench> {
  const root = await mkdtemp(join(tmpdir(), 'corral-clock-'));
  t.after(() => rm(root, { recursive: true }));
  const directory = new DataDirectory(root);
  const settings = sampleVm();
  const socket = directory.vm(settings.id).agentSocket;
  await mkdir(dirname(socket), { recursive: true });
  if (answers) {
    const agent = await startFakeAgent(answers);
    t.after(() => agent[Symbol.asyncDispose]());
    await symlink(agent.path, socket);
  }
  const records = new VmRecords(openMemoryStore());
  const startedAt = settings.createdAt;
  await records.create({
    settings,
    uid: null,
    process: { pid: 1, startTime: 1, bootId: 'b', startedAt, accelerator: 'tcg', applied: settings },
    saved: null,
    checkpointId: null,
  });
  const agents = new AgentChannels(directory);
  t.after(() => agents.close());
  const warnings: string[] = [];
  const nothing = (): void => undefined;
  const warn: Logger['warn'] = (_fields: unknown, message?: string) => void warnings.push(String(message));
  const log: Logger = { debug: nothing, info: nothing, warn, error: nothing };
  const follow = async (): Promise<void> => {
    const ended = Promise.withResolvers<void>();
    const observed = {
      of: agents.of.bind(agents),
      inBackground: (work: (closing: AbortSignal) => Promise<void>) =>
        agents.inBackground((closing) => work(closing).finally(ended.resolve)),
    };
    followHostClock({ agents: observed, records, log }, settings);
    await ended.promise;
  };
  return { agents, warnings, follow };
}

describe("a guest's clock", () => {
  it('is set when it is behind', async (t) => {
    const set: number[] = [];
    const { follow, warnings } = await bench(t, {
      'guest-get-time': () => (Date.now() - 60_000) * nanosecondsPerMs,
      'guest-set-time': ({ time }) => {
        set.push(Number(time) / nanosecondsPerMs);
        return {};
      },
    });
    await follow();
    assert.equal(set.length, 1);
    assert.ok(Math.abs(set[0]! - Date.now()) < 5_000);
    assert.deepEqual(warnings, []);
  });

  it('is left alone when it is right', async (t) => {
    const { follow, warnings } = await bench(t, {
      'guest-get-time': () => Date.now() * nanosecondsPerMs,
      'guest-set-time': () => assert.fail('set'),
    });
    await follow();
    assert.deepEqual(warnings, []);
  });

  it('that its agent may not set is logged, and no more is asked', async (t) => {
    const { follow, warnings } = await bench(t, {
      'guest-get-time': () => 0,
      'guest-set-time': () => new AgentRefusal('the command is disabled', 'CommandNotFound'),
    });
    await follow();
    assert.deepEqual(warnings, ["the guest's clock was not set"]);
  });

  it('of a guest whose agent never answers is given up quietly when the daemon ends', async (t) => {
    const { agents, follow, warnings } = await bench(t, null);
    const ended = follow();
    await agents.close();
    await ended;
    assert.deepEqual(warnings, []);
  });
});
