/** The agent in a real guest: what would harm the host when the agent runs on it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import type { GuestAgent } from '@corral/qmp/guest-agent';
import { MICRO_IMAGE, startGuest } from './support/guest.ts';
import { QEMU } from './support/machine.ts';
import { missing } from './support/tool-process.ts';

const skip =
  missing(QEMU, 'mke2fs') || (MICRO_IMAGE === undefined && 'the micro image is not built: run npm start');
const options = { skip, timeout: 180_000 };
const code = (expected: string) => (error: unknown) => isCorralError(error, expected);

async function shell(agent: GuestAgent, script: string): Promise<string> {
  const { exitCode, stdout, stderr } = await agent.exec({ path: '/bin/sh', args: ['-c', script] });
  assert.equal(exitCode, 0, `${script}: ${stderr}`);
  return stdout.toString().trim();
}

test('a guest is frozen, refuses work meanwhile, is thawed, and goes on', options, async () => {
  await using guest = await startGuest();
  const { agent } = guest;
  assert.equal(await shell(agent, 'uname -s'), 'Linux');
  await agent.writeFile('/mnt/data/file', Buffer.alloc(300_000, 'corral'));
  using hold = agent.hold();
  assert.ok((await agent.freeze()) >= 1);
  assert.equal(await agent.freezeStatus(), 'frozen');
  await assert.rejects(agent.exec({ path: 'true' }), code('agent.command-disabled'));
  await agent.ping();
  assert.ok((await agent.thaw()) >= 1);
  assert.equal(await agent.freezeStatus(), 'thawed');
  assert.equal(await agent.thaw(), 0);
  hold[Symbol.dispose]();
  assert.equal((await agent.readFile('/mnt/data/file')).length, 300_000);
  await assert.rejects(
    agent.freeze({ mountpoints: [] }).then(() => agent.sshKeys('nobody')),
    isCorralError,
  );
  const trimmed = await agent.trim();
  assert.ok(trimmed.some(({ path }) => path === '/mnt/data'));
});

test('clock and processors are set, and a paused guest answers again when it goes on', options, async () => {
  await using guest = await startGuest();
  const { agent, monitor } = guest;
  const then = Date.parse('2031-02-03T04:05:06Z');
  await agent.setTime(then);
  const passed = (await agent.time()) - then;
  assert.ok(passed >= 0 && passed < 60_000, `${passed} ms`);
  await agent.setVcpus([{ id: 1, online: false }]);
  const vcpus = await agent.vcpus();
  assert.equal(vcpus.find((vcpu) => vcpu['logical-id'] === 1)?.online, false);
  await agent.setVcpus([{ id: 1, online: true }]);
  await monitor.execute('stop');
  await assert.rejects(agent.ping({ limitMs: 100 }), code('agent.not-responding'));
  await assert.rejects(agent.hostName({ limitMs: 100 }), code('agent.not-responding'));
  await monitor.execute('cont');
  assert.equal(await shell(agent, 'echo again'), 'again');
});

/** Takes the agent's place for some seconds and writes as fast as it can; init starts the agent again afterwards. */
const BABBLE = `
until
  killall -q qemu-ga
  sh -c '
    exec >/dev/virtio-ports/org.qemu.guest_agent.0 || exit 1
    end=$(( $(date +%s) + 4 ))
    while [ $(date +%s) -lt $end ]; do
      printf "%s" "{\\"return\\": {\\"host-name\\": 7}}" "{\\"return"
      head -c 100000 /dev/urandom
    done'
do :; done 2>/dev/null`;

test('a guest that babbles harms nobody, and is understood when it stops', options, async () => {
  await using guest = await startGuest();
  const { agent, monitor } = guest;
  const limits = { limitMs: 300 };
  const outcome = (): Promise<unknown> =>
    agent.hostName(limits).then(
      () => 'answered',
      (error: unknown) => error,
    );
  await agent.writeFile('/run/babble', Buffer.from(BABBLE));
  await shell(agent, '(sleep 1; exec sh /run/babble) </dev/null >/dev/null 2>&1 &');
  let last: unknown = 'answered';
  while (last === 'answered') last = await outcome();
  let failures = 0;
  for (; last !== 'answered'; failures += 1) {
    assert.ok(isCorralError(last) && last.code.startsWith('agent.'), String(last));
    assert.equal((await monitor.execute('query-status')).running, true);
    last = await outcome();
  }
  assert.ok(failures > 2, `${failures} calls failed`);
  assert.equal(await shell(agent, 'echo understood'), 'understood');
});

test('a guest shuts down through its agent', options, async () => {
  await using guest = await startGuest();
  const { agent, monitor } = guest;
  using events = monitor.events('SHUTDOWN');
  await agent.shutdown();
  assert.equal((await events.next()).value?.data.reason, 'guest-shutdown');
  await guest.process.ended();
  await assert.rejects(agent.ping(), code('agent.not-connected'));
});
