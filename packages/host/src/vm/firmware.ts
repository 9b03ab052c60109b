/** UEFI firmware: Debian's OVMF. The code is shared and read-only; each VM has its own variables. */
import { access, constants } from 'node:fs/promises';
import type { VmSettings } from '@corral/api/schemas/vm-settings';
import { vmErrors } from '../errors.ts';

export interface FirmwareSource {
  readonly code: string;
  /** Template from which the VM's variables begin; with Microsoft's keys enrolled for Secure Boot. */
  readonly variablesTemplate: string;
  readonly needsSmm: boolean;
}

const folder = '/usr/share/OVMF';

/** @returns null for BIOS, which QEMU brings itself. @throws vm.unsupported-firmware */
export async function firmwareFor(vm: VmSettings): Promise<FirmwareSource | null> {
  if (vm.firmware === 'bios') return null;
  const source = vm.secureBoot
    ? {
        code: `${folder}/OVMF_CODE_4M.secboot.fd`,
        variablesTemplate: `${folder}/OVMF_VARS_4M.ms.fd`,
        needsSmm: true,
      }
    : {
        code: `${folder}/OVMF_CODE_4M.fd`,
        variablesTemplate: `${folder}/OVMF_VARS_4M.fd`,
        needsSmm: false,
      };
  for (const path of [source.code, source.variablesTemplate]) {
    try {
      await access(path, constants.R_OK);
    } catch (cause) {
      throw vmErrors['unsupported-firmware'](
        { what: 'UEFI', path, fix: 'Install the Debian package ovmf.' },
        { cause },
      );
    }
  }
  return source;
}
