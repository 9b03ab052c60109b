import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import { operationErrors } from './errors.ts';
import { fromProblem, toProblem } from './problem.ts';

test('an error of the registry survives JSON, with its causes', () => {
  const cause = Object.assign(new TypeError('odd'), { cause: 'text' });
  const thrown = operationErrors['not-found']({ id: 'x' }, { cause });
  const back = fromProblem(JSON.parse(JSON.stringify(toProblem(thrown))));
  assert.ok(isCorralError(back, 'operation.not-found'));
  assert.deepEqual(
    [back.message, back.status, back.title, back.params],
    [thrown.message, 404, thrown.title, { id: 'x' }],
  );
  assert.ok(isCorralError(back.cause, 'operation.unexpected'));
  assert.equal(back.cause.message, 'TypeError: odd');
  assert.equal((back.cause.cause as Error).message, 'text');
});

test('a code that this version does not know comes back as it was', () => {
  const problem = {
    ...toProblem(operationErrors['not-found']({ id: 'x' })),
    code: 'future.thing',
    status: 418,
  };
  const back = fromProblem(problem);
  assert.deepEqual([back.code, back.status, back.message], ['future.thing', 418, problem.message]);
});

test('a chain of causes without an end is cut', () => {
  const loop = new Error('loop');
  loop.cause = loop;
  assert.ok(JSON.stringify(toProblem(loop)).length < 2_000);
});
