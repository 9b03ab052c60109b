import assert from 'node:assert/strict';
import { test } from 'node:test';
import { abortErrors } from '@corral/core/abort';
import { keepWatching } from './keep-watching.ts';

test('a watch that fails is told, and goes on until it is stopped', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const stop = new AbortController();
  const told: string[] = [];
  let looks = 0;
  const watch = async (): Promise<void> => {
    looks += 1;
    if (looks === 2) stop.abort(abortErrors.cancelled({ what: 'the test' }));
    else setImmediate(() => context.mock.timers.tick(60_000));
    throw new Error('database is locked');
  };
  const log = { error: ({ err }: { err: Error }) => told.push(err.message) };
  await assert.rejects(keepWatching(watch, log as never, stop.signal), { code: 'core.cancelled' });
  assert.deepEqual([looks, told], [2, ['database is locked']]);
});
