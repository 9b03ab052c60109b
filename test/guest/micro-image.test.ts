/** The micro image under a plain QEMU: what docs/formats/micro-image.md promises, as stories of a guest's life. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { defaultCacheDirectory } from '@corral/image/cache-directory';
import { buildMicroImage } from '@corral/image/micro/micro-image';
import { GuestAgent } from '@corral/qmp/guest-agent';
import { QmpClient } from '@corral/qmp/qmp-client';
import { MICRO_IMAGE } from '../qemu/support/guest.ts';
import { QEMU } from '../qemu/support/machine.ts';
import { missing, runTool, ToolProcess } from '../qemu/support/tool-process.ts';
import { type WorkDirectory, workDirectory } from '../qemu/support/work-directory.ts';
import { eventually } from '../support/operations.ts';

const skip =
  missing(QEMU, 'mke2fs', 'debugfs') || (!MICRO_IMAGE && 'the micro image is not built: run npm start');

const mebibyte = 2 ** 20;

/** The serial console, as somebody at a terminal sees it. */
class Console {
  #seen = '';
  readonly #socket: Socket;

  constructor(path: string) {
    this.#socket = connect(path);
    this.#socket.setEncoding('latin1').on('data', (text: string) => {
      this.#seen += text;
    });
  }

  /** What came until `pattern` did, taken out of what was seen. */
  async until(pattern: RegExp): Promise<string> {
    const match = await eventually(
      `${pattern} on the console`,
      async () => pattern.exec(this.#seen),
      (found) => found !== null,
    );
    const text = this.#seen.slice(0, match!.index + match![0].length);
    this.#seen = this.#seen.slice(text.length);
    return text;
  }

  type(line: string): void {
    this.#socket.write(`${line}\n`);
  }

  close(): void {
    this.#socket.destroy();
  }
}

interface Guest extends AsyncDisposable {
  readonly directory: WorkDirectory;
  readonly process: ToolProcess;
  readonly monitor: QmpClient;
  readonly agent: GuestAgent;
  readonly console: Console;
}

async function startGuest(
  directory: WorkDirectory,
  commandLine: string,
  devices: readonly string[],
): Promise<Guest> {
  await using stack = new AsyncDisposableStack();
  const { folder, cmdline } = MICRO_IMAGE!;
  const socket = (name: string): string => `unix:${directory.file(name)},server=on,wait=off`;
  const args = [
    ['-machine', 'q35', '-accel', 'tcg', '-m', '192', '-nodefaults', '-display', 'none'],
    ['-kernel', `${folder}/vmlinuz`, '-initrd', `${folder}/initrd`, '-append', `${cmdline} ${commandLine}`],
    ['-qmp', socket('monitor'), '-serial', socket('serial')],
    [
      '-device',
      'virtio-serial',
      '-chardev',
      `socket,id=agent,path=${directory.file('agent')},server=on,wait=off`,
    ],
    ['-device', 'virtserialport,chardev=agent,name=org.qemu.guest_agent.0'],
    ['-device', 'pcie-root-port,id=hot-port,chassis=1,slot=1', '-device', 'virtio-scsi-pci,id=scsi'],
    devices,
  ].flat();
  // The last of its sockets: QEMU makes those of -serial when those of -qmp and -chardev are there.
  const process = stack.use(await ToolProcess.start(QEMU, args, directory.file('serial')));
  const console = stack.adopt(new Console(directory.file('serial')), (open) => open.close());
  const monitor = stack.use(await QmpClient.connect(directory.file('monitor'), { peer: 'the test guest' }));
  const agent = stack.use(
    new GuestAgent({ path: directory.file('agent'), guest: 'the test guest', limitMs: 30_000 }),
  );
  const owned = stack.move();
  return { directory, process, monitor, agent, console, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function makeDisk(directory: WorkDirectory, name: string): Promise<string> {
  const path = directory.file(name);
  await runTool('mke2fs', '-q', '-t', 'ext4', path, '16M');
  return path;
}

async function shell(agent: GuestAgent, script: string): Promise<string> {
  const { exitCode, stdout, stderr } = await agent.exec({ path: '/bin/sh', args: ['-c', script] });
  assert.equal(exitCode, 0, `${script}: ${stderr}`);
  return stdout.toString().trim();
}

/** Asks the guest until its answer fits. */
function answers(agent: GuestAgent, script: string, expected: RegExp): Promise<string> {
  return eventually(
    `"${script}" answers ${expected}`,
    () => shell(agent, script),
    (answer) => expected.test(answer),
  );
}

const cleanUp = new AsyncDisposableStack();
after(() => cleanUp.disposeAsync());

test('a guest boots to a shell, mounts its disks, takes new ones, and shuts down whole', {
  skip,
}, async () => {
  const directory = cleanUp.use(await workDirectory());
  const disk = await makeDisk(directory, 'disk');
  const hotDisk = await makeDisk(directory, 'hot');
  await runTool('truncate', '-s', '16M', directory.file('blank'));
  await using guest = await startGuest(directory, 'corral.hostname=story', [
    ...['-blockdev', `driver=file,node-name=disk,filename=${disk}`],
    ...['-device', 'virtio-blk-pci,drive=disk,serial=data'],
    ...['-blockdev', `driver=file,node-name=blank,filename=${directory.file('blank')}`],
    ...['-device', 'scsi-hd,bus=scsi.0,drive=blank,serial=blank'],
    ...['-netdev', 'user,id=net', '-device', 'virtio-net-pci,netdev=net,romfile='],
  ]);
  const { agent, console, monitor } = guest;

  await console.until(/root@story:~# /);
  console.type('echo $((6 * 7)) at $(tty)');
  assert.match(await console.until(/ at \/dev\/ttyS0\r\n/), /42 at/);

  assert.equal(await agent.hostName(), 'story');
  assert.equal((await agent.osInfo()).id, 'corral-micro');
  assert.equal(await shell(agent, 'ls /mnt'), 'data');
  await answers(agent, 'ip address show eth0', /inet 10\.0\.2\.15\/24/);
  await answers(agent, 'cat /etc/resolv.conf', /nameserver 10\.0\.2\.3/);

  const blockdev = { driver: 'file', 'node-name': 'hot', filename: hotDisk };
  await monitor.execute('blockdev-add', blockdev as never);
  await monitor.execute('device_add', {
    ...{ driver: 'virtio-blk-pci', id: 'hot', bus: 'hot-port' },
    ...{ drive: 'hot', serial: 'added-later' },
  });
  await answers(agent, 'ls /mnt', /added-later/);
  await shell(agent, 'echo first >/mnt/data/file && echo second >/mnt/added-later/file');

  await agent.shutdown();
  await guest.process.ended();
  for (const [path, content] of [
    [disk, 'first\n'],
    [hotDisk, 'second\n'],
  ] as const) {
    assert.equal(await runTool('debugfs', '-R', 'cat /file', path), content);
    assert.match(await runTool('dumpe2fs', '-h', path), /Filesystem state: +clean/);
  }
  const blank = await readFile(directory.file('blank'));
  assert.ok(blank.equals(Buffer.alloc(16 * mebibyte)), 'a blank disk must not be formatted');
});

test('the power button ends a guest in order; addresses may be given; a read-only disk is read', {
  skip,
}, async () => {
  const directory = cleanUp.use(await workDirectory());
  const disk = await makeDisk(directory, 'disk');
  const before = await readFile(disk);
  await using guest = await startGuest(directory, 'corral.ip=192.0.2.7/24,192.0.2.1', [
    ...['-blockdev', `driver=file,node-name=disk,filename=${disk},read-only=on`],
    ...['-device', 'scsi-hd,bus=scsi.0,drive=disk,serial=kept'],
    ...['-netdev', 'hubport,hubid=0,id=net', '-device', 'virtio-net-pci,netdev=net,romfile='],
  ]);
  const { agent, console, monitor } = guest;
  await console.until(/root@micro:~# /);
  await answers(agent, 'cat /proc/mounts', /\/dev\/sda \/mnt\/kept ext4 ro/);
  assert.match(await shell(agent, 'ip address show eth0'), /inet 192\.0\.2\.7\/24/);
  assert.match(await shell(agent, 'ip route'), /default via 192\.0\.2\.1/);
  await monitor.execute('system_powerdown');
  await guest.process.ended();
  assert.ok((await readFile(disk)).equals(before));
});

test('the same packages give the same image, below 10 MB', { skip }, async () => {
  const directory = cleanUp.use(await workDirectory());
  const image = await buildMicroImage({ cacheDirectory: defaultCacheDirectory(), target: directory.path });
  assert.equal(image.sha256, MICRO_IMAGE!.sha256);
  const initrd = await readFile(directory.file('initrd'));
  assert.ok(initrd.length < 10e6, `${initrd.length} bytes`);
});
