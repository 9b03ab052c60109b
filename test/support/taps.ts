/** The TAP devices of VMs whose daemon and QEMU were killed: nobody else takes them away. */
import { glob, readFile } from 'node:fs/promises';
import { VmSettings } from '@corral/api/schemas/vm-settings';
import { deleteTap, tapName } from '@corral/host/network/tap';

export async function deleteTapsOf(data: string): Promise<void> {
  for await (const path of glob(`${data}/vms/*/vm.json`)) {
    const { ports } = VmSettings.parse(JSON.parse(await readFile(path, 'utf8')));
    for (const { id } of ports) await deleteTap(tapName(id));
  }
}
