/**
 * restore.verify: proves a backup by running it: a temporary VM without a network stands on it, and its agent, or a text
 * on its console, is waited for. What was found is put beside the backup; of the VM nothing is left.
 */
import { VmSettings } from '@corral/api/schemas/vm-settings';
import { addVerification } from '@corral/backup/point/verifications';
import { delay } from '@corral/core/abort';
import { isCorralError } from '@corral/core/errors';
import { defineOperation } from '@corral/operation/operation';
import { z } from 'zod';
import { connectionTarget } from '../../repository/repository-host.ts';
import { type RestoreHost, RestoreSource } from '../restore-host.ts';
import { screenshot } from '../screenshot.ts';
import { agentAnswers, discardTemporaryVm, temporaryVmSteps } from '../temporary-vm.ts';

const Input = z.strictObject({
  source: RestoreSource,
  /** The VM that the backup is of. */
  vm: z.strictObject({ id: z.string(), name: z.string() }),
  /** Of the temporary one. */
  settings: VmSettings,
  /** Text on the serial console; null: the agent. */
  console: z.string().nullable(),
  limitMs: z.int(),
});
export type VerifyInput = z.infer<typeof Input>;

export const Finding = z.strictObject({
  outcome: z.enum(['passed', 'failed']),
  method: z.enum(['agent', 'console']),
  detail: z.string(),
  tookMs: z.int(),
  screenshot: z.boolean(),
});
export type Finding = z.infer<typeof Finding>;

interface Results {
  make: null;
  boot: null;
  watch: Finding;
  'clean-up': null;
  tell: null;
}

const lookMs = 500;

export function restoreVerify(restores: RestoreHost) {
  return defineOperation<VerifyInput, Results>({
    kind: 'restore.verify',
    input: (json) => Input.parse(json),
    target: ({ source }) => [`verify/${source.pointId}`, connectionTarget(source.repositoryId)],
    title: ({ source, vm }) => `Verify backup ${source.pointName} of VM ${vm.name}`,
    cancellable: true,
    steps: [
      ...temporaryVmSteps(restores),
      { name: 'watch', run: ({ input, signal }) => watch(restores, input, signal) },
      {
        name: 'clean-up',
        pivot: true,
        run: async ({ input, operationId, signal }) => {
          await discardTemporaryVm(restores, input.settings.id, operationId, signal);
          return null;
        },
        undo: async () => undefined,
      },
      {
        name: 'tell',
        run: async ({ input, result }) => {
          const { detail, outcome } = result('watch');
          const { pointName: point, repositoryName: repository } = input.source;
          const subject = { kind: 'vm', ...input.vm } as const;
          if (outcome === 'passed') {
            await restores.host.emit('vm.backup-verified', subject, { repository, point, detail });
          } else {
            await restores.host.emit('vm.backup-not-verified', subject, { repository, point, detail });
          }
          return null;
        },
      },
    ],
    output: ({ source }, results) => ({ pointId: source.pointId, ...results.watch }),
  });
}

async function watch(restores: RestoreHost, input: VerifyInput, signal: AbortSignal): Promise<Finding> {
  const since = performance.now();
  const seen = await waitForGuest(restores, input, signal);
  const method = input.console === null ? 'agent' : 'console';
  const what = input.console === null ? 'its agent' : `"${input.console}" on its console`;
  const seconds = Math.round((performance.now() - since) / 1000);
  const found = {
    outcome: seen ? 'passed' : 'failed',
    method,
    detail: seen
      ? `The guest ran: ${what} was there after ${seconds} s.`
      : `The guest did not come up: ${what} was not there within ${Math.round(input.limitMs / 1000)} s.`,
    tookMs: Math.round(performance.now() - since),
  } as const;
  const picture = await screenshot(restores.host, input.settings.id, signal).catch((cause: unknown) => {
    signal.throwIfAborted();
    // A guest that died has no display; that it died is in the finding.
    if (isCorralError(cause)) return null;
    throw cause;
  });
  await using repository = await restores.connections.open(input.source.repositoryId, signal);
  const kept = picture === null ? found : { ...found, screenshot: picture };
  await addVerification(repository.context, input.source.pointId, kept, signal);
  return { ...found, screenshot: picture !== null };
}

async function waitForGuest(
  restores: RestoreHost,
  input: VerifyInput,
  signal: AbortSignal,
): Promise<boolean> {
  const { console: text, limitMs, settings } = input;
  const end = performance.now() + limitMs;
  while (performance.now() < end) {
    const seen =
      text === null
        ? await agentAnswers(restores, input, signal)
        : (restores.consoles.historyOf(settings.id) ?? '').includes(text);
    if (seen) return true;
    await delay(lookMs, signal);
  }
  return false;
}
