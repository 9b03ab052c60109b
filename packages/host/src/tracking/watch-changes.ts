/** Ends what was held open for a reader when its time is over, and serves it again when a reboot has ended its server. */
import { delay } from '@corral/core/abort';
import { isCorralError } from '@corral/core/errors';
import { isAlive } from '../process/process-identity.ts';
import { type ChangesCloseInput, type ChangesHost, serve, servingTurns } from './changes-operations.ts';
import type { ChangesRecord } from './changes-record.ts';

const lookEveryMs = 5_000;

/** Until the signal aborts. @param close begins `changes.close` */
export async function watchChanges(
  changes: ChangesHost,
  close: (input: ChangesCloseInput) => Promise<unknown>,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    for (const record of await changes.records.list()) {
      try {
        await look(changes, close, record, signal);
      } catch (cause) {
        signal.throwIfAborted();
        // It is being closed already.
        if (isCorralError(cause, 'operation.busy')) continue;
        changes.host.log.warn({ err: cause, vm: record.vmName }, 'changes that are held open need attention');
      }
    }
    await delay(lookEveryMs, signal);
  }
}

async function look(
  { host, records }: ChangesHost,
  close: (input: ChangesCloseInput) => Promise<unknown>,
  record: ChangesRecord,
  signal: AbortSignal,
): Promise<void> {
  const { id, vmId, vmName } = record;
  const gone = (await host.records.find(vmId)) === null;
  if (gone || Date.parse(record.expiresAt) <= Date.now()) return void (await close({ id, vmId, vmName }));
  await servingTurns.take(id, async () => {
    const current = await records.find(vmId, id);
    if (!current?.process || (await isAlive(current.process))) return;
    await records.put({ ...current, process: await serve(host, vmId, id, signal) });
  });
}
