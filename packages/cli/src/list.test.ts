import assert from 'node:assert/strict';
import test from 'node:test';
import { FakeDaemon } from './testing/fake-daemon.ts';
import { runCli } from './testing/run-cli.ts';
import { idOf, sampleVm } from './testing/samples.ts';

const names = Array.from({ length: 25 }, (_, index) => `vm${String(index).padStart(2, '0')}`);
const vms = names.map((name) => sampleVm({ name }));

/** Pages of ten at most, whatever is asked for. */
async function daemonWithPages(): Promise<FakeDaemon> {
  return FakeDaemon.start({
    'vm.list': ({ query }) => {
      const after = query['after'];
      const start = after === undefined ? 0 : names.indexOf(String(after)) + 1;
      const items = vms.slice(start, start + Math.min(10, Number(query['limit'])));
      const last = items.at(-1)?.name;
      return { items, next: last === undefined || last === names.at(-1) ? null : last };
    },
  });
}

test('a list follows all pages and prints one object', async () => {
  await using daemon = await daemonWithPages();
  const { exitCode, stdout, stderr } = await runCli([
    '--socket',
    daemon.socketPath,
    'vm',
    'list',
    '-o',
    'json',
  ]);
  assert.equal(exitCode, 0);
  assert.equal(stderr, '');
  assert.deepEqual(JSON.parse(stdout), { items: vms, next: null });
  assert.equal(daemon.requests.length, 3);
});

test('--limit and --after give one page, with what leads to the next', async () => {
  await using daemon = await daemonWithPages();
  const page = ['vm', 'list', '--limit', '2', '--after', 'vm04', '--socket', daemon.socketPath];
  const json = await runCli([...page, '-o', 'json']);
  assert.deepEqual(JSON.parse(json.stdout), { items: vms.slice(5, 7), next: 'vm06' });
  const table = await runCli(page);
  assert.match(table.stderr, /There is more: --after vm06/);
});

test('people get a table, without colour unless it is a terminal', async () => {
  await using daemon = await FakeDaemon.start({
    'vm.list': () => ({
      items: [sampleVm(), sampleVm({ id: idOf('b'), name: 'db1', state: 'off', pid: null })],
      next: null,
    }),
  });
  const args = ['vm', 'list', '--socket', daemon.socketPath];
  const piped = await runCli(args);
  const [head, first, second, ...rest] = piped.stdout.split('\n').map((line) => line.split(/ {2,}/));
  assert.deepEqual(head, ['NAME', 'STATE', 'CPUS', 'MEMORY', 'DISKS', 'PID', 'STARTED']);
  assert.deepEqual(first?.slice(0, 3), ['web1', 'running', '1']);
  assert.deepEqual(second?.slice(0, 2), ['db1', 'off']);
  assert.deepEqual(rest, [['']]);
  const sequence = '\u001b[';
  assert.ok(!piped.stdout.includes(sequence));
  assert.ok((await runCli(args, { terminal: true })).stdout.includes(sequence));
  assert.ok(!(await runCli(args, { terminal: true, env: { NO_COLOR: '1' } })).stdout.includes(sequence));
});
