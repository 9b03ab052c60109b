/** What chains and checkpoints know of a VM's files, for `volume check`. */

import { type ChainRecords, diskIdsOf, holdersOf } from '../chain/chain-records.ts';
import { brokenLayers } from '../chain/check-seals.ts';
import type { DataDirectory } from '../data-directory.ts';
import type { VmInspector } from './check-volume.ts';
import { realPlace } from './placement.ts';

export function chainInspector(directory: DataDirectory, chains: ChainRecords): VmInspector {
  return {
    filesOf: async ({ settings: { id } }) => {
      const state = await chains.read(id);
      const layers = diskIdsOf(state).flatMap((disk) => holdersOf(state, disk).flatMap(({ chain }) => chain));
      const paths = new Set(layers.map(({ path }) => directory.resolveInVm(id, path)));
      return Promise.all([...paths].map((path) => realPlace(directory, path)));
    },
    findings: async ({ settings }) => {
      const broken = await brokenLayers(directory, settings);
      return Promise.all(
        broken.map(async ({ disk, path, reason }) => ({
          problem: 'altered' as const,
          severity: 'error' as const,
          path: await realPlace(directory, path),
          vm: settings.name,
          disk,
          detail: `The VM does not start on it: ${reason}.`,
        })),
      );
    },
  };
}
