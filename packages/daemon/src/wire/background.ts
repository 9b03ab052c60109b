/** What the daemon does without being asked, until it stops. */
import { autostart } from '@corral/host/autostart/autostart';
import { type CheckpointLimits, watchCheckpoints } from '@corral/host/checkpoint/checkpoint-watcher';
import { watchLocks } from '@corral/host/repository/watch-locks';
import { watchChanges } from '@corral/host/tracking/watch-changes';
import { watchSpace } from '@corral/host/vm/space-watcher';
import { watchVolumes } from '@corral/host/volume/watch-volumes';
import { compactHistory } from '@corral/store/compact-history';
import type { Store } from '@corral/store/store';
import type { Logger } from 'pino';
import type { HostParts } from './host-parts.ts';
import { keepWatching } from './keep-watching.ts';

/** So long a follower may be away and still take up where it was. */
const historyKeptMs = 3_600_000;

/** Work that fails is logged and stops no other. @returns promises that resolve when `stop` aborts */
export function startBackground(
  parts: HostParts,
  checkpointLimits: CheckpointLimits,
  store: Store,
  log: Logger,
  stop: AbortSignal,
): readonly Promise<void>[] {
  const { host } = parts;
  const work = [
    keepWatching(() => watchSpace(host, log, stop), log, stop),
    keepWatching(() => watchLocks(parts.repositories, log, stop), log, stop),
    keepWatching(() => watchCheckpoints(host, checkpointLimits, stop), log, stop),
    keepWatching(() => watchVolumes(host.volumes, host.emit, log, stop), log, stop),
    keepWatching(() => watchOpenChanges(parts, stop), log, stop),
    parts.backups.planRunner.work(stop),
    compactHistory(store, {
      keepMs: historyKeptMs,
      onError: (cause) => log.warn({ err: cause }, 'the history of the store could not be shortened'),
      signal: stop,
    }),
    startVmsOfBoot(parts, store, log, stop),
  ];
  return work.map((running) =>
    running.catch((cause: unknown) => {
      if (!stop.aborted) log.error({ err: cause }, 'work in the background failed');
    }),
  );
}

function watchOpenChanges({ backups, engine }: HostParts, stop: AbortSignal): Promise<void> {
  return watchChanges(
    backups.changes,
    (input) => engine.start(backups.changesKinds.close, input, { requestedBy: 'corral' }),
    stop,
  );
}

function startVmsOfBoot(
  { engine, host, vms }: HostParts,
  store: Store,
  log: Logger,
  stop: AbortSignal,
): Promise<void> {
  return autostart({
    host,
    store,
    log,
    signal: stop,
    start: async ({ settings: { id, name } }) => {
      await engine.run(vms.start, { id, name }, { requestedBy: 'autostart', signal: stop });
    },
  });
}
