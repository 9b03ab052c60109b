import assert from 'node:assert/strict';
import test from 'node:test';
import type { TrialRun } from './accelerator-race.ts';
import { judgeRace } from './judge-race.ts';

const finished = (ms: number): TrialRun => ({ outcome: 'finished', ms });
const stopped = (ms: number): TrialRun => ({ outcome: 'stopped', ms });
const failed: TrialRun = { outcome: 'failed', reason: 'failed to initialize kvm: Permission denied' };

test('KVM is taken when it was faster', () => {
  const verdict = judgeRace({ kvm: finished(600), tcg: finished(3000) });
  assert.deepEqual(verdict, {
    kind: 'kvm',
    ratio: 5,
    reason: 'In a trial run KVM took 0.6 s and TCG took 3.0 s.',
  });
  assert.equal(judgeRace({ kvm: finished(600), tcg: stopped(1200) }).kind, 'kvm');
});

test('a KVM that opens and is slower is not taken, and the reason says so', () => {
  const verdict = judgeRace({ kvm: stopped(6000), tcg: finished(3000) });
  assert.equal(verdict.kind, 'tcg');
  assert.equal(verdict.ratio, 0.5);
  assert.match(verdict.reason, /KVM took more than 6\.0 s and TCG took 3\.0 s: .*slower here/);
  assert.equal(judgeRace({ kvm: finished(3001), tcg: finished(3000) }).kind, 'tcg');
});

test('a KVM that fails gives its own words', () => {
  const verdict = judgeRace({ kvm: failed, tcg: finished(3000) });
  assert.deepEqual(verdict, {
    kind: 'tcg',
    ratio: null,
    reason: 'KVM does not work here: failed to initialize kvm: Permission denied',
  });
});

test('nothing is proved when neither ended', () => {
  assert.equal(judgeRace({ kvm: stopped(60_000), tcg: stopped(60_000) }).kind, 'tcg');
  assert.equal(judgeRace({ kvm: stopped(60_000), tcg: failed }).kind, 'tcg');
  assert.equal(judgeRace({ kvm: finished(700), tcg: failed }).kind, 'kvm');
});
