import assert from 'node:assert/strict';
import test from 'node:test';
import { plain } from '../../render/paint.ts';
import { type Answers, FakeDaemon } from '../../testing/fake-daemon.ts';
import { runCli } from '../../testing/run-cli.ts';
import { doneOperation, idOf, sampleCheckpoint, sampleOperation, sampleVm } from '../../testing/samples.ts';
import { checkpointTree } from '../../views/checkpoint-view.ts';

const done: Answers = {
  'operation.follow': async function* () {
    yield { id: 9, data: doneOperation({ output: { vmId: idOf('a'), checkpointId: idOf('c') } }) };
  },
  'vm.show': () => sampleVm(),
  'checkpoint.show': () => sampleCheckpoint(),
};

async function requestOf(route: keyof Answers, args: readonly string[]) {
  await using daemon = await FakeDaemon.start({ ...done, [route]: () => sampleOperation() });
  const result = await runCli(['checkpoint', ...args, '--socket', daemon.socketPath]);
  const request = daemon.requests.find((candidate) => candidate.route === route);
  assert.ok(request, result.stderr);
  return { ...result, request };
}

test('create asks for what was given and says how long the guest stood still', async () => {
  const { request, stdout } = await requestOf('checkpoint.create', ['create', 'web1', '--name', 'before']);
  assert.deepEqual(request.body, {
    name: 'before',
    type: 'standard',
    allowCrash: false,
    freezeLimitMs: 10_000,
  });
  assert.equal(
    stdout,
    'Checkpoint before of web1 is taken: 1 MiB, consistency memory, the guest stood still for 9.5 ms.\n',
  );
});

test('create takes a production checkpoint, and one as after a power cut if need be', async () => {
  const options = ['--type', 'production', '--allow', 'crash', '--freeze-limit', '3s'];
  const { request } = await requestOf('checkpoint.create', ['create', 'web1', ...options]);
  assert.deepEqual(request.body, { type: 'production', allowCrash: true, freezeLimitMs: 3000 });
});

test('apply says what becomes of the present', async () => {
  const apply = async (...options: string[]) =>
    (await requestOf('checkpoint.apply', ['apply', 'web1', 'before', ...options])).request.body;
  assert.deepEqual(await apply('--discard-present'), { present: 'discard' });
  assert.deepEqual(await apply('--checkpoint-first'), { present: 'checkpoint' });
  assert.deepEqual(await apply('--checkpoint-first=broken'), {
    present: 'checkpoint',
    checkpointName: 'broken',
  });
  assert.deepEqual(await apply(), {}, 'the daemon refuses, and names the choice');
});

test('apply does not keep the present and throw it away', async () => {
  const result = await runCli([
    'checkpoint',
    'apply',
    'web1',
    'x',
    '--checkpoint-first',
    '--discard-present',
  ]);
  assert.match(result.stderr, /not both/);
  assert.notEqual(result.exitCode, 0);
});

test('delete, rename and export name the checkpoint in the address', async () => {
  const deleted = await requestOf('checkpoint.delete', ['delete', 'web1', 'before', '--subtree']);
  assert.deepEqual(
    [deleted.request.params['checkpoint'], deleted.request.query['subtree']],
    ['before', 'true'],
  );
  const renamed = await requestOf('checkpoint.rename', ['rename', 'web1', 'before', 'good']);
  assert.deepEqual(renamed.request.body, { name: 'good' });
  const exported = await requestOf('checkpoint.export', [
    'export',
    'web1',
    'before',
    '/srv/x',
    '--format',
    'vhdx',
  ]);
  assert.deepEqual(exported.request.body, { directory: '/srv/x', flatten: false, format: 'vhdx' });
});

test('list draws the tree with "now" on the checkpoint that the present stands on', () => {
  const at = (digit: string, name: string, parent: string | null) =>
    sampleCheckpoint({ id: idOf(digit), name, parentId: parent && idOf(parent) });
  const items = [at('1', 'one', null), at('2', 'two', '1'), at('3', 'three', '2'), at('4', 'four', '1')];
  const text = checkpointTree({ items, present: { parentId: idOf('2'), sizeBytes: 4096 } }, plain);
  const names = text.split('\n').map((line) => /^[│├└─ ]*\w+/.exec(line)?.[0]);
  assert.deepEqual(names.slice(0, -1), [
    'CHECKPOINT',
    'one',
    '├─ two',
    '│  ├─ three',
    '│  └─ now',
    '└─ four',
  ]);
});

test('a VM without checkpoints has only its present', () => {
  const text = checkpointTree({ items: [], present: { parentId: null, sizeBytes: 4096 } }, plain);
  assert.match(text, /^now /m);
});
