/**
 * The guard: owns the agent's channel of one VM from freeze to thaw, in a process of its own, so that a daemon which
 * is killed or stopped keeps nothing frozen.
 *
 *   freezing ─▶ frozen ─ told · limit · the daemon's end of the pipe closed ─▶ thawing ─▶ ended
 *       └ failed, or any of these ──────────────────────────────────────────────▲
 */
import { rm, writeFile } from 'node:fs/promises';
import { isCorralError } from '@corral/core/errors';
import { GuestAgent } from '@corral/qmp/guest-agent';
import { type GuardMessage, GuardTask } from './guard-protocol.ts';
import { thawForCertain } from './thaw.ts';

type Ending = Extract<GuardMessage, { is: 'thawed' }>['because'];

/** How long a guest is asked again that does not answer to the thaw. */
const thawLimitMs = 120_000;

function say(message: GuardMessage): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** Resolves with the first thing that ends the freeze. */
function untilEnded(limitMs: number): Promise<Ending> {
  return new Promise((resolve) => {
    setTimeout(() => resolve('limit'), limitMs);
    process.stdin.on('data', (data) => {
      if (data.toString().includes('thaw')) resolve('told');
    });
    process.stdin.on('end', () => resolve('daemon-gone'));
    process.stdin.on('error', () => resolve('daemon-gone'));
  });
}

async function freeze(agent: GuestAgent, task: GuardTask, signal: AbortSignal): Promise<boolean> {
  try {
    say({ is: 'frozen', fileSystems: await agent.freeze({ limitMs: task.limitMs, signal }) });
    return true;
  } catch (cause) {
    if (!signal.aborted)
      say({ is: 'failed', reason: cause instanceof Error ? cause.message : String(cause) });
    return false;
  }
}

async function guard(task: GuardTask): Promise<number> {
  // Nobody may be listening any more; the guest is thawed all the same.
  process.stdout.on('error', () => undefined);
  await using agent = new GuestAgent({ path: task.socket, guest: task.guest });
  using _held = agent.hold();
  await writeFile(task.mark, '', { mode: 0o600 });
  const since = performance.now();
  const stop = new AbortController();
  const ended = untilEnded(task.limitMs);
  void ended.then((because) => stop.abort(new Error(because)));
  const frozen = await freeze(agent, task, stop.signal);
  const because = frozen || stop.signal.aborted ? await ended : 'failed';
  say({ is: 'thawing', because });
  try {
    await thawForCertain(agent, thawLimitMs);
  } catch (cause) {
    // Without QEMU there is no guest to thaw.
    if (!isCorralError(cause, 'agent.not-connected')) throw cause;
  }
  say({ is: 'thawed', frozenMs: performance.now() - since, because });
  await rm(task.mark, { force: true });
  return frozen ? 0 : 1;
}

process.exit(await guard(GuardTask.parse(JSON.parse(process.argv[2]!))));
