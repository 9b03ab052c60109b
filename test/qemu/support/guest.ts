/** The micro guest with one ext4 disk, its monitor and its agent. */
import { defaultCacheDirectory } from '@corral/image/cache-directory';
import { findCachedMicroImage } from '@corral/image/micro/cached-micro-image';
import { GuestAgent } from '@corral/qmp/guest-agent';
import { QmpClient } from '@corral/qmp/qmp-client';
import { QEMU } from './machine.ts';
import { runTool, ToolProcess } from './tool-process.ts';
import { workDirectory } from './work-directory.ts';

/** `npm test` and `npm start` build it. */
export const MICRO_IMAGE = await findCachedMicroImage(defaultCacheDirectory());

const BOOT_LIMIT_MS = 120_000;
const PORT = 'org.qemu.guest_agent.0';

export interface TestGuest extends AsyncDisposable {
  readonly process: ToolProcess;
  readonly monitor: QmpClient;
  readonly agent: GuestAgent;
}

/** Starts a guest with two processors and its disk at /mnt/data; returns when its agent has the channel open. */
export async function startGuest(): Promise<TestGuest> {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await workDirectory());
  const { folder, kernel, initrd, cmdline } = MICRO_IMAGE!;
  const disk = directory.file('disk');
  await runTool('mke2fs', '-q', '-t', 'ext4', '-L', 'data', disk, '64M');
  const socket = directory.file('monitor');
  const agentSocket = directory.file('agent');
  const args = [
    ['-machine', 'q35', '-accel', 'tcg', '-m', '192', '-smp', '2', '-nodefaults', '-display', 'none'],
    ['-kernel', `${folder}/${kernel}`, '-initrd', `${folder}/${initrd}`, '-append', cmdline],
    ['-qmp', `unix:${socket},server=on,wait=off`],
    ['-device', 'virtio-serial', '-chardev', `socket,id=agent,path=${agentSocket},server=on,wait=off`],
    ['-device', `virtserialport,chardev=agent,name=${PORT},id=agent-port`],
    ['-blockdev', `driver=file,node-name=disk,filename=${disk},discard=unmap`],
    ['-device', 'virtio-blk-pci,drive=disk,serial=data'],
  ].flat();
  const child = stack.use(await ToolProcess.start(QEMU, args, socket));
  const monitor = stack.use(await QmpClient.connect(socket, { peer: 'the monitor of the test guest' }));
  const agent = stack.use(new GuestAgent({ path: agentSocket, guest: 'the test guest', limitMs: 30_000 }));
  await monitor.waitFor('The boot of the test guest', (signal) => agentIsThere(monitor, signal), {
    events: ['VSERPORT_CHANGE'],
    limitMs: BOOT_LIMIT_MS,
  });
  const owned = stack.move();
  return { process: child, monitor, agent, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function agentIsThere(monitor: QmpClient, signal: AbortSignal): Promise<true | undefined> {
  const ports = await monitor.execute('query-chardev', {}, { signal });
  return ports.some((port) => port.label === 'agent' && port['frontend-open']) ? true : undefined;
}
