/** The units tell a restart of the daemon from a shutdown of the host (systemd.unit(5), systemd.kill(5)). */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { projectRoot } from '../../tools/node-path.mjs';

/** Settings of a unit, each with all its values. */
function unit(name: string): Map<string, string[]> {
  const lines = readFileSync(`${projectRoot}/deploy/systemd/${name}`, 'utf8').split('\n');
  const settings = lines.flatMap((line) => {
    const match = /^(\w+)=(.*)$/.exec(line);
    return match ? [{ key: match[1]!, value: match[2]! }] : [];
  });
  const byKey = Map.groupBy(settings, ({ key }) => key);
  return new Map([...byKey].map(([key, values]) => [key, values.map(({ value }) => value)]));
}

test('a stop or restart of the daemon signals the daemon alone', () => {
  const daemon = unit('corrald.service');
  assert.deepEqual(daemon.get('KillMode'), ['process']);
  assert.deepEqual(daemon.get('SendSIGKILL'), ['no']);
  assert.deepEqual(daemon.get('Type'), ['notify']);
  assert.equal(daemon.has('ExecStop'), false, 'nothing ends VMs when the daemon stops');
});

test('the VMs end with the host, before the daemon, and never because the daemon is restarted', () => {
  const guests = unit('corral-guests.service');
  assert.deepEqual(guests.get('After'), ['corrald.service'], 'stopped in the reverse order');
  for (const key of [
    'Requires',
    'Requisite',
    'BindsTo',
    'PartOf',
    'StopPropagatedFrom',
    'PropagatesStopTo',
  ]) {
    assert.equal(guests.has(key), false, `${key}= would stop it with the daemon`);
  }
  assert.match(guests.get('ExecStop')![0]!, / host autostop$/);
  assert.deepEqual(guests.get('RemainAfterExit'), ['yes']);
});
