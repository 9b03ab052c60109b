/** A first machine, if the host has none: made from the micro image, started, and waited for. */
import { setTimeout as wait } from 'node:timers/promises';
import { SetupError } from '../setup/process.mjs';
import { part } from '../setup/progress.mjs';

const agentLimitMs = 120_000;

/**
 * @param {import('./corral.mjs').Corral} corral
 * @returns {Promise<boolean>}
 */
async function hasMicroImage(corral) {
  const { items } = await corral.ask('image', 'list');
  return items.some((/** @type {{ name: string }} */ image) => image.name === 'micro');
}

/**
 * @param {import('./corral.mjs').Corral} corral
 */
async function waitForAgent(corral) {
  const end = performance.now() + agentLimitMs;
  while (performance.now() < end) {
    if (await corral.succeeds('vm', 'guest', 'info', 'hello')) return;
    await wait(200);
  }
  throw new SetupError(
    `The agent of "hello" did not answer within ${agentLimitMs / 1000} s. "bin/corral vm console hello" shows the guest.`,
  );
}

/**
 * @param {import('./corral.mjs').Corral} corral
 * @param {Promise<number>} [daemonEnded]
 */
export async function ensureHello(corral, daemonEnded) {
  const ended = daemonEnded?.then((code) => {
    throw new SetupError(`corrald ended meanwhile, with exit code ${code}.`);
  });
  await Promise.race([ensure(corral), ...(ended ? [ended] : [])]);
}

/**
 * @param {import('./corral.mjs').Corral} corral
 */
async function ensure(corral) {
  if (!(await hasMicroImage(corral))) {
    await part('the micro image', async (say) => {
      say('a small guest, made from the Debian packages in the cache');
      await corral.perform('image', 'build', 'micro');
    });
  }
  const { items } = await corral.ask('vm', 'list');
  if (items.length > 0) return;
  await part('a first machine: hello', async (say) => {
    say('256 MiB, from the micro image, with a disk of 1 GiB at /mnt/data');
    await corral.perform(
      'vm',
      'create',
      'hello',
      '--image',
      'micro',
      '--disk',
      'data=1GiB,format=ext4',
      '--start',
    );
    say('waiting until its agent answers');
    await waitForAgent(corral);
  });
}
