import assert from 'node:assert/strict';
import test from 'node:test';
import { ApiProblem } from '@corral/api/api-problem';
import type { Backup } from '@corral/api/schemas/backup';
import { FakeDaemon } from '../../testing/fake-daemon.ts';
import { runCli } from '../../testing/run-cli.ts';
import { doneOperation, sampleBackup } from '../../testing/samples.ts';

const backup = sampleBackup();

function refused(vm: string): ApiProblem {
  const detail = `VM "${vm}" has a device.`;
  const type = 'urn:corral:error:backup.pass-through';
  return new ApiProblem({ type, title: 'No', status: 409, code: 'backup.pass-through', detail, params: {} });
}

test('of several VMs one that is refused keeps no other from being backed up, and is told at the end', async () => {
  const operation = doneOperation({ output: { backupId: backup.id } });
  await using daemon = await FakeDaemon.start({
    'backup.run': ({ params }) => {
      if (params['vm'] !== 'web1') throw refused(params['vm']!);
      return operation;
    },
    'operation.follow': async function* () {
      yield { id: 1, data: operation };
    },
    'operation.show': () => operation,
    'backup.show': () => backup,
  });
  const corral = (...args: readonly string[]) =>
    runCli(['backup', 'run', ...args, '--repository', 'vault', '--socket', daemon.socketPath]);

  const several = await corral('db1', 'web1', 'db2', '-o', 'json');
  assert.deepEqual(
    JSON.parse(several.stdout).items.map(({ id }: Backup) => id),
    [backup.id],
  );
  assert.match(several.stderr, /2 of 3 VMs.*db1: VM .*device.*db2: VM/);
  assert.equal(several.exitCode, 1);

  const alone = await corral('db1');
  assert.deepEqual([alone.exitCode, alone.stdout], [4, '']);
  assert.match(alone.stderr, /backup\.pass-through/);

  const begun = await corral('db1', 'web1', '--no-wait');
  assert.match(begun.stdout, new RegExp(operation.id));
  assert.match(begun.stderr, /1 of 2 VMs/);
});
