/** QEMU's storage daemon with a qcow2 disk behind an NBD export. */
import { ToolProcess } from './tool-process.ts';
import { type WorkDirectory, workDirectory } from './work-directory.ts';

export const STORAGE_DAEMON = 'qemu-storage-daemon';

export interface TestStorage extends AsyncDisposable {
  readonly directory: WorkDirectory;
  readonly socket: string;
  readonly image: string;
  readonly process: ToolProcess;
}

export interface StorageOptions {
  /** Makes the image before it is exported. */
  readonly prepare: (image: string, directory: WorkDirectory) => Promise<void>;
  readonly format?: 'qcow2' | 'raw';
  /** More options of the export. */
  readonly exportOptions?: string;
}

/** The export is called `disk`. */
export async function startStorage(options: StorageOptions): Promise<TestStorage> {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await workDirectory());
  const image = directory.file('disk');
  const socket = directory.file('nbd');
  await options.prepare(image, directory);
  const format = options.format ?? 'qcow2';
  const child = stack.use(
    await ToolProcess.start(
      STORAGE_DAEMON,
      [
        ['--blockdev', `driver=file,node-name=file,filename=${image},discard=unmap`],
        ['--blockdev', `driver=${format},node-name=node,file=file,discard=unmap`],
        ['--nbd-server', `addr.type=unix,addr.path=${socket},max-connections=4`],
        ['--export', `type=nbd,id=export,node-name=node,name=disk${options.exportOptions ?? ',writable=on'}`],
      ].flat(),
      socket,
    ),
  );
  const owned = stack.move();
  return { directory, socket, image, process: child, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
