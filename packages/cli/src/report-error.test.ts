import assert from 'node:assert/strict';
import test from 'node:test';
import { ApiProblem } from '@corral/api/api-problem';
import { Problem } from '@corral/api/schemas/problem';
import { cliErrors } from './errors.ts';
import { plain } from './render/paint.ts';
import { problemOf, reportError } from './report-error.ts';

const daemons: Problem = {
  type: 'urn:corral:error:vm.illegal-state',
  title: 'Not in this state',
  status: 409,
  detail: 'VM web1 is off.\u001b[31m',
  code: 'vm.illegal-state',
  params: { vm: 'web1' },
  instance: 'urn:uuid:1',
  causes: [{ type: 'about:blank', title: 'x', status: 500, detail: 'deeper', code: null, params: {} }],
};

test('what the daemon answered passes through unchanged', () => {
  const { exitCode, text } = reportError(new ApiProblem(daemons), 'json', plain);
  assert.equal(exitCode, 4);
  const { type: _, ...said } = JSON.parse(text) as Problem;
  const { type: __, ...meant } = daemons;
  assert.deepEqual(said, meant);
});

test('people read what happened, why, and where there is more; no escape sequence among it', () => {
  const { text } = reportError(new ApiProblem(daemons), 'table', plain);
  assert.equal(
    text,
    [
      'error: VM web1 is off.\\x1b[31m [vm.illegal-state]',
      '  caused by: deeper',
      "  the daemon's log has more under urn:uuid:1",
      '',
    ].join('\n'),
  );
});

test('every error makes a problem that the contract knows', () => {
  const cause = cliErrors.file({ path: '/x', action: 'read', reason: 'y' });
  const outer = cliErrors.stuck({ id: '1', detail: 'z' }, { cause });
  for (const error of [outer, new TypeError('odd'), 'text', undefined]) Problem.parse(problemOf(error));
  assert.deepEqual(
    problemOf(outer).causes?.map(({ code }) => code),
    ['cli.file'],
  );
  assert.equal(problemOf(new TypeError('odd')).detail, 'odd');
});

test('a reader that went away is no error to speak of', () => {
  const closed = Object.assign(new Error('write EPIPE'), { code: 'EPIPE', syscall: 'write' });
  assert.deepEqual(reportError(closed, 'table', plain), { exitCode: 141, text: '' });
});
