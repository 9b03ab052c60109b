/** QEMU and the accelerator of this host: asked once, when they are first needed. */
import { join } from 'node:path';
import { chooseAccelerator } from '@corral/host/accelerator/choose-accelerator';
import type { DataDirectory } from '@corral/host/data-directory';
import type { AcceleratorChoice } from '@corral/host/host-service';
import { askQemu, type QemuFacts } from '@corral/host/qemu-facts';
import type { LaunchHost } from '@corral/host/vm/launch';
import { defaultCacheDirectory } from '@corral/image/cache-directory';
import { findCachedMicroImage } from '@corral/image/micro/cached-micro-image';

export interface Platform {
  readonly qemu: () => Promise<QemuFacts>;
  readonly accelerator: () => Promise<AcceleratorChoice>;
  readonly launchHost: () => Promise<LaunchHost>;
}

/** CORRAL_QEMU names another one, such as a newer QEMU beside that of the distribution. */
const qemuBinary = process.env['CORRAL_QEMU'] ?? '/usr/bin/qemu-system-x86_64';

export function platformOf(directory: DataDirectory): Platform {
  const emulated = once(() => askQemu(qemuBinary, 'tcg'));
  const accelerator = once(async () => {
    const { version } = await emulated();
    const { kind, reason } = await tryAccelerators(version);
    return { kind, reason };
  });
  return {
    accelerator,
    qemu: once(async () => ((await accelerator()).kind === 'tcg' ? emulated() : askQemu(qemuBinary, 'kvm'))),
    launchHost: async () => ({ directory, qemuBinary, accelerator: (await accelerator()).kind }),
  };
}

/** KVM only where a trial run has proved it faster: a /dev/kvm that opens can still be slower than emulation. */
async function tryAccelerators(qemuVersion: string): Promise<AcceleratorChoice> {
  const cache = defaultCacheDirectory();
  const micro = await findCachedMicroImage(cache);
  const guest = micro
    ? { kernel: join(micro.folder, micro.kernel), initrd: join(micro.folder, micro.initrd) }
    : null;
  return chooseAccelerator({
    qemu: qemuBinary,
    qemuVersion,
    guest,
    storedAt: join(cache, 'accelerator.json'),
  });
}

/** Asks once; what failed is asked again, since it may have been mended meanwhile. */
function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | null = null;
  return () => {
    answer ??= ask().catch((cause: unknown) => {
      answer = null;
      throw cause;
    });
    return answer;
  };
}
