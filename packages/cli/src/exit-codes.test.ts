import assert from 'node:assert/strict';
import test from 'node:test';
import { exitCodeOf, exitCodeOfGuest, exitCodes } from './exit-codes.ts';

test('every meaning has a code of its own', () => {
  const codes = Object.values(exitCodes).map(({ code }) => code);
  assert.equal(new Set(codes).size, codes.length);
});

test('the code of the registry decides before the status', () => {
  const cases: readonly (readonly [code: string | null, status: number, exit: number])[] = [
    ['api.invalid-request', 400, 2],
    ['api.unauthenticated', 401, 5],
    ['api.forbidden', 403, 5],
    ['client.no-right', 403, 5],
    ['vm.not-found', 404, 3],
    ['vm.illegal-state', 409, 4],
    ['vm.changed', 412, 4],
    ['operation.cancelled', 409, 8],
    ['core.timeout', 504, 7],
    ['agent.not-responding', 504, 7],
    ['client.no-daemon', 503, 6],
    ['api.stopping', 503, 6],
    ['agent.busy', 503, 1],
    ['disk.corrupt', 422, 1],
    ['disk.no-space', 507, 1],
    [null, 500, 1],
    [null, 404, 3],
    ['cli.interrupted', 499, 130],
    ['cli.terminated', 499, 143],
  ];
  for (const [code, status, exit] of cases)
    assert.equal(exitCodeOf({ code, status }), exit, `${code} ${status}`);
});

test("a guest's program hands on its exit code; a failure never becomes 0", () => {
  assert.equal(exitCodeOfGuest({ exitCode: 3, signal: null }), 3);
  assert.equal(exitCodeOfGuest({ exitCode: 255, signal: null }), 255);
  assert.equal(exitCodeOfGuest({ exitCode: null, signal: 9 }), 137);
  assert.equal(exitCodeOfGuest({ exitCode: 0xc0000000, signal: null }), 1);
  assert.equal(exitCodeOfGuest({ exitCode: -1073741819, signal: null }), 1);
});
