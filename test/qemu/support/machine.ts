/** A QEMU without a guest, and a client of its monitor. */
import { QmpClient } from '@corral/qmp/qmp-client';
import { ToolProcess } from './tool-process.ts';
import { type WorkDirectory, workDirectory } from './work-directory.ts';

export const QEMU = 'qemu-system-x86_64';

export interface TestMachine extends AsyncDisposable {
  readonly directory: WorkDirectory;
  readonly process: ToolProcess;
  readonly monitor: QmpClient;
}

/** `-S`: the firmware does not begin either, so that the machine does nothing by itself. */
export async function startMachine(...args: readonly string[]): Promise<TestMachine> {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await workDirectory());
  const socket = directory.file('monitor');
  const qmp = ['-qmp', `unix:${socket},server=on,wait=off`];
  const base = ['-nodefaults', '-display', 'none', '-S', '-accel', 'tcg'];
  const child = stack.use(await ToolProcess.start(QEMU, [...base, ...qmp, ...args], socket));
  const monitor = stack.use(await QmpClient.connect(socket, { peer: 'the monitor of the test machine' }));
  const owned = stack.move();
  return { directory, process: child, monitor, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
