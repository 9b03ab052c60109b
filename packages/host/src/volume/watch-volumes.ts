/**
 * Looks at each volume now and then: one that was taken or is gone, and one whose reserve is reached, is told by one
 * event. What was told is kept in the record, so that a restart of the daemon does not tell it again.
 */
import { delay } from '@corral/core/abort';
import type { Logger } from '../logger.ts';
import type { EmitEvent } from '../vm/vm-events.ts';
import { judgeReserve, reserveOf } from './space-rules.ts';
import type { VolumeRecord } from './volume-record.ts';
import type { Volumes } from './volumes.ts';

const lookEveryMs = 10_000;

export async function watchVolumes(
  volumes: Volumes,
  emit: EmitEvent,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await lookAtVolumes(volumes, emit, log);
    await delay(lookEveryMs, signal);
  }
}

export async function lookAtVolumes(volumes: Volumes, emit: EmitEvent, log: Logger): Promise<void> {
  for (const record of await volumes.records.list()) {
    await lookAt(volumes, record, emit).catch((cause: unknown) => {
      log.warn({ err: cause, volume: record.name }, 'could not look at a volume');
    });
  }
}

async function lookAt(volumes: Volumes, record: VolumeRecord, emit: EmitEvent): Promise<void> {
  const { state, problem } = await volumes.standing(record);
  const subject = { kind: 'volume', id: record.id, name: record.name } as const;
  const { root: path, told } = record;
  // What this host released itself is no loss.
  if (state === 'released') return;
  const lost = problem !== null;
  if (lost !== told.lost) {
    await remember(volumes, record.id, { lost });
    if (problem) await emit('volume.lost', subject, { path, reason: problem.message });
    else await emit('volume.back', subject, { path });
  }
  if (lost) return;
  const space = await volumes.driver.space(path);
  const reserveBytes = reserveOf(record.reserveBytes, space.totalBytes);
  const judged = judgeReserve(space, reserveBytes, told.belowReserve);
  if (judged.told !== told.belowReserve) await remember(volumes, record.id, { belowReserve: judged.told });
  if (!judged.tell) return;
  await emit('volume.below-reserve', subject, { path, freeBytes: space.freeBytes, reserveBytes });
}

async function remember(volumes: Volumes, id: string, news: Partial<VolumeRecord['told']>): Promise<void> {
  await volumes.records.update(id, (record) => ({ ...record, told: { ...record.told, ...news } }));
}
