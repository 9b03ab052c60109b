import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storeErrors } from '@corral/store/errors';
import { pino } from 'pino';
import { tellEvent } from './tell-event.ts';

const subject = { kind: 'vm', id: '1', name: 'a' } as const;

test('an event for which there is no space is logged, with all that it says', async () => {
  const lines: string[] = [];
  const log = pino({ base: null }, { write: (line) => lines.push(line) });
  const full = () => Promise.reject(storeErrors.full({ file: '/d/corral.db' }));
  await tellEvent({ append: full }, log)('vm.adopted', subject, { pid: 7 });
  const { event, data } = JSON.parse(lines[0]!);
  assert.deepEqual([event, data], ['vm.adopted', { pid: 7 }]);
});

test('any other failure is the caller’s', async () => {
  const failing = () => Promise.reject(storeErrors.closed());
  const tell = tellEvent({ append: failing }, pino({ enabled: false }));
  await assert.rejects(tell('vm.adopted', subject, { pid: 7 }), /closed/);
});
