/** QEMU and the accelerator of this host: asked once, when they are first needed. */

import type { DataDirectory } from '@corral/host/data-directory';
import type { AcceleratorChoice } from '@corral/host/host-service';
import { askQemu, type QemuFacts } from '@corral/host/qemu-facts';
import type { LaunchHost } from '@corral/host/vm/launch';

export interface Platform {
  readonly qemu: () => Promise<QemuFacts>;
  readonly accelerator: () => Promise<AcceleratorChoice>;
  readonly launchHost: () => Promise<LaunchHost>;
}

const qemuBinary = '/usr/bin/qemu-system-x86_64';

export function platformOf(
  directory: DataDirectory,
  chooseAccelerator: () => Promise<AcceleratorChoice>,
): Platform {
  const accelerator = once(chooseAccelerator);
  return {
    accelerator,
    qemu: once(async () => askQemu(qemuBinary, (await accelerator()).kind)),
    launchHost: async () => ({ directory, qemuBinary, accelerator: (await accelerator()).kind }),
  };
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
