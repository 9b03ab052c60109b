/**
 * The life of backups as a story: a guest that never stops writing goes through whatever can happen to it, and every point
 * is compared with what its fork held, byte by byte. `npm test` takes a slice that a seed chooses
 * (CORRAL_TEST_SEED); --all takes every event, 20 incrementals and more.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, it } from 'node:test';
import type { Backup } from '@corral/api/schemas/backup';
import {
  acknowledged,
  assertRecordsWhole,
  logBytes,
  recordsGrow,
  startWriter,
} from '../support/database-writer.ts';
import { agentAnswers, bootedGuest, inGuest } from '../support/guests.ts';
import { ended, eventually, succeeded, vmInState } from '../support/operations.ts';
import { randomOf } from '../support/random.ts';
import { StoryHost } from '../support/story-host.ts';

const all = process.env['CORRAL_TEST_ALL'] === '1';
const seed = Number(process.env['CORRAL_TEST_SEED'] ?? 21);
const dataBytes = 2 ** 28;
/** So that a backup lasts long enough for something to happen beside it. */
const slow = { bytesPerSecond: 2 ** 20 };

describe(`a guest that writes all the time (seed ${seed})`, () => {
  it('is backed up through whatever happens to it, and every point is what its fork held', {
    timeout: 3_600_000,
  }, async (test) => {
    await using story = await Story.start();
    await story.backUp();
    for (const event of chosen()) {
      test.diagnostic(event);
      await story.happens(event);
    }
    await story.holds();
  });
});

class Story implements AsyncDisposable {
  readonly #story: StoryHost;
  #checkpoints = 0;
  /** What every later point must hold, unless a checkpoint goes back before it. */
  #least = 0;
  readonly #backups: Backup[] = [];
  #sizeBytes = logBytes;

  private constructor(story: StoryHost) {
    this.#story = story;
  }

  static async start(): Promise<Story> {
    const host = await StoryHost.start();
    const { client } = host;
    await bootedGuest(client, {
      name: 'a',
      disks: [
        { name: 'data', sizeBytes: dataBytes, filesystem: 'ext4' },
        { name: 'log', sizeBytes: logBytes },
      ],
    });
    await host.knowVm();
    await startWriter(client, 'a');
    return new Story(host);
  }

  get client() {
    return this.#story.client;
  }

  async happens(event: EventName): Promise<void> {
    await events[event](this);
  }

  /** What it holds is proved at once: it is restored, and compared with what its fork held. */
  async backUp(
    request: { readonly bytesPerSecond?: number } = {},
    meanwhile: () => Promise<unknown> = async () => undefined,
  ): Promise<void> {
    await this.#note();
    const least = this.#least;
    const { backup, forked } = await this.#story.backUp(request, meanwhile);
    const what = `backup ${this.#backups.length}`;
    await this.#story.withRestored(backup, async (files, restored) => {
      assert.deepEqual(restored, forked, `${what}: what was restored is what the fork held`);
      await assertRecordsWhole({ data: files['data']!, log: files['log']! }, least, what);
    });
    this.#backups.push(backup);
  }

  /** What is acknowledged by now must be in every later point. */
  async #note(): Promise<void> {
    const { state } = await this.client.vm.show('a');
    if (state === 'running') this.#least = await acknowledged(this.client, 'a');
  }

  async grows(by = 2): Promise<void> {
    await recordsGrow(this.client, 'a', by);
    await this.#note();
  }

  async boots(): Promise<void> {
    await succeeded(this.client, this.client.vm.start('a'));
    await agentAnswers(this.client, 'a');
    await startWriter(this.client, 'a');
  }

  async stops(): Promise<void> {
    await this.#note();
    await succeeded(this.client, this.client.vm.stop('a'));
  }

  async dies(who: 'qemu' | 'daemon' | 'both'): Promise<void> {
    const { host } = this.#story;
    if (who !== 'daemon') await this.grows();
    const pid = await this.#story.qemuPid();
    if (who !== 'daemon') process.kill(pid, 'SIGKILL');
    if (who !== 'qemu') await host.restart('SIGKILL');
    if (who !== 'daemon') await vmInState(this.client, 'a', 'off');
  }

  async daemonRestarts(): Promise<void> {
    await this.#story.host.restart('SIGTERM');
  }

  async takesCheckpoint(type: 'standard' | 'production'): Promise<string> {
    const name = `checkpoint-${++this.#checkpoints}`;
    await succeeded(this.client, this.client.checkpoint.create('a', { name, type, allowCrash: true }));
    return name;
  }

  /** The present is thrown away: what was written since the checkpoint is gone. */
  async goesBackTo(checkpoint: string): Promise<void> {
    const { output } = await succeeded(
      this.client,
      this.client.checkpoint.apply('a', checkpoint, { present: 'discard' }),
    );
    this.#least = 0;
    const { startOperationId } = output as { readonly startOperationId: string | null };
    if (startOperationId === null) return;
    await succeeded(this.client, this.client.operation.show(startOperationId));
    await agentAnswers(this.client, 'a');
    await recordsGrow(this.client, 'a');
  }

  async forgets(checkpoint: string): Promise<void> {
    await succeeded(this.client, this.client.checkpoint.delete('a', checkpoint));
  }

  async logGrows(): Promise<void> {
    this.#sizeBytes += 16 * 2 ** 20;
    await succeeded(this.client, this.client.vm.disk.resize('a', 'log', { sizeBytes: this.#sizeBytes }));
    const device = `$(for d in /sys/block/vd*; do [ "$(cat $d/serial)" = log ] && echo /dev/\${d##*/}; done)`;
    const at = this.#sizeBytes / 2 ** 20 - 1;
    await inGuest(
      this.client,
      'a',
      `dd if=/dev/urandom of=${device} bs=1M seek=${at} count=1 conv=notrunc,fsync`,
    );
  }

  /** The daemon dies in the middle of a backup: nothing of it may be left. */
  async backupDies(how: 'kill-daemon' | 'kill-both'): Promise<void> {
    const { host } = this.#story;
    const points = (await this.client.backup.list({})).items.length;
    await host.arm(`backup.run/write/after-run=${how}`);
    // The daemon may die before it has answered; what it began is in its records.
    const begun = this.client.backup.run('a', { repository: 'vault' }).catch(() => null);
    await host.daemonEnded();
    await host.startDaemon();
    await begun;
    await this.allEnded();
    assert.equal(
      (await this.client.backup.list({})).items.length,
      points,
      'of a killed backup nothing is left',
    );
    if (how === 'kill-both') await vmInState(this.client, 'a', 'off');
  }

  async backupIsCancelled(): Promise<void> {
    const operation = await this.client.backup.run('a', { repository: 'vault', bytesPerSecond: 65_536 });
    await this.client.operation.cancel(operation.id);
    await ended(this.client, operation);
  }

  async allEnded(): Promise<void> {
    await eventually(
      'every operation has ended',
      async () => (await this.client.operation.list({})).items,
      (items) => items.every(({ finishedAt }) => finishedAt !== null),
    );
  }

  /** What must be true of all of it at the end. */
  async holds(): Promise<void> {
    const [, ...incrementals] = this.#backups;
    for (const { name, base, disks } of incrementals) {
      assert.notEqual(base, null, `${name} is incremental`);
      const read = disks.reduce((sum, { readBytes }) => sum + readBytes, 0);
      assert.ok(read < (dataBytes + logBytes) / 3, `${name} read ${read} bytes: never everything`);
    }
    const found = (await this.client.event.list({ type: 'vm', limit: 1000 })).items;
    assert.ok(!found.some(({ type }) => type === 'vm.backup-mismatch'), 'no audit found a difference');
    await this.nothingIsLeft();
    for (const backup of this.#backups) {
      await this.#story.withRestored(backup, async (files) => {
        await assertRecordsWhole({ data: files['data']!, log: files['log']! }, 0, `${backup.name}, again`);
      });
    }
  }

  async nothingIsLeft(): Promise<void> {
    for (const { name } of (await this.client.checkpoint.list('a')).items) await this.forgets(name);
    const shown = await eventually(
      'layers are merged',
      async () => {
        await this.allEnded();
        return await this.client.vm.show('a');
      },
      ({ disks }) => disks.every(({ parents }) => parents.length <= 3),
    );
    const held = shown.disks.flatMap(({ path, parents }) => [path, ...parents.map((layer) => layer.path)]);
    const folder = join(this.#story.host.data, 'vms', shown.id, 'disks');
    assert.deepEqual(readdirSync(folder).sort(), held.map((path) => basename(path)).sort());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#story[Symbol.asyncDispose]();
  }
}

/** Each begins and ends with a guest that runs and writes, and makes at least one backup. */
const events = {
  'nothing but writing': async (story: Story) => {
    await story.grows(5);
    await story.backUp();
  },
  'a checkpoint is taken, and deleted later': async (story: Story) => {
    const name = await story.takesCheckpoint('production');
    await story.grows();
    await story.backUp();
    await story.forgets(name);
    await story.grows();
    await story.backUp();
  },
  'it goes back to a checkpoint with memory': async (story: Story) => {
    const name = await story.takesCheckpoint('standard');
    await story.grows(5);
    await story.backUp();
    await story.goesBackTo(name);
    await story.backUp();
    await story.forgets(name);
  },
  'it goes back to a checkpoint while it is read': async (story: Story) => {
    const name = await story.takesCheckpoint('standard');
    await story.grows(10);
    await story.backUp(slow, () => story.goesBackTo(name));
    await story.grows();
    await story.backUp();
    await story.forgets(name);
  },
  'the checkpoint below is deleted while it is read': async (story: Story) => {
    const name = await story.takesCheckpoint('production');
    await story.grows(10);
    await story.backUp(slow, () => story.forgets(name));
    await story.grows();
    await story.backUp();
  },
  'it is stopped and started while it is read': async (story: Story) => {
    await story.grows(10);
    await story.backUp(slow, async () => {
      await story.stops();
      await story.boots();
    });
  },
  'it is backed up while it is off': async (story: Story) => {
    await story.grows();
    await story.stops();
    await story.backUp();
    await story.backUp();
    await story.boots();
    await story.backUp();
  },
  'it is saved, backed up, and goes on': async (story: Story) => {
    await story.grows();
    await succeeded(story.client, story.client.vm.save('a'));
    await story.backUp();
    await succeeded(story.client, story.client.vm.start('a'));
    await agentAnswers(story.client, 'a');
    await story.grows();
    await story.backUp();
  },
  'it is paused': async (story: Story) => {
    await succeeded(story.client, story.client.vm.pause('a'));
    await story.backUp();
    await succeeded(story.client, story.client.vm.resume('a'));
    await story.grows();
  },
  'the daemon is restarted': async (story: Story) => {
    await story.daemonRestarts();
    await story.grows();
    await story.backUp();
  },
  'the daemon is killed': async (story: Story) => {
    await story.dies('daemon');
    await story.grows();
    await story.backUp();
  },
  'QEMU is killed': async (story: Story) => {
    await story.dies('qemu');
    await story.backUp();
    await story.boots();
    await story.backUp();
  },
  'both are killed': async (story: Story) => {
    await story.dies('both');
    await story.boots();
    await story.backUp();
  },
  'QEMU is killed while it is read': async (story: Story) => {
    await story.grows(10);
    await story.backUp(slow, () => story.dies('qemu'));
    await story.boots();
    await story.backUp();
  },
  'a disk grows': async (story: Story) => {
    await story.logGrows();
    await story.backUp();
    await story.grows();
    await story.backUp();
  },
  'a backup dies with the daemon': async (story: Story) => {
    await story.grows();
    await story.backupDies('kill-daemon');
    await story.backUp();
  },
  'a backup dies with daemon and QEMU': async (story: Story) => {
    await story.grows();
    await story.backupDies('kill-both');
    await story.boots();
    await story.backUp();
  },
  'a backup is cancelled': async (story: Story) => {
    await story.backupIsCancelled();
    await story.grows();
    await story.backUp();
  },
} satisfies Record<string, (story: Story) => Promise<void>>;

type EventName = keyof typeof events;

/** Two that once lost something are in every slice; the seed chooses the others. */
function chosen(): EventName[] {
  const names = Object.keys(events) as EventName[];
  const random = randomOf(seed);
  const order = names
    .map((name) => ({ name, at: random(2 ** 31) }))
    .sort((a, b) => a.at - b.at)
    .map(({ name }) => name);
  if (all) return order;
  const always: EventName[] = ['it goes back to a checkpoint while it is read', 'QEMU is killed'];
  return [...always, ...order.filter((name) => !always.includes(name)).slice(0, 1)];
}
