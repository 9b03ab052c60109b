/** Where the content of images comes from: recipes, and files that somebody names. */
import type { ImageHost } from '@corral/host/image/image-operations';
import { defaultCacheDirectory } from '@corral/image/cache-directory';
import { buildMicroImage } from '@corral/image/micro/micro-image';

export const buildMicro: ImageHost['buildMicro'] = async (folder, signal, report) => {
  const image = await buildMicroImage({
    cacheDirectory: defaultCacheDirectory(),
    target: folder,
    signal,
    progress: ({ step, doneBytes, totalBytes }) => report(doneBytes ?? 0, totalBytes ?? null, step),
  });
  return {
    content: { kind: 'kernel', cmdline: image.cmdline },
    sizeBytes: image.sizeBytes,
    sha256: image.sha256,
  };
};

// TEMP
const notYet = (): never => {
  throw new Error('TEMP');
};
export const importDisk: ImageHost['importDisk'] = async () => notYet();
export const inspectSource = async (_path: string) => notYet();
export const inspectDevice = async (_path: string) => notYet();
export const makeSeed = async () => notYet();
