/**
 * A full export and the differential ones that continue it, as one VM: of each disk the files lie on each other, as layers.
 * Each says which state it continues; one that does not fit is a problem, never guessed.
 */
import type { DiskSettings } from '@corral/api/schemas/vm-settings';
import { type Chain, chainOf, withChain } from '../chain/chain.ts';
import { type FileProblem, type Registrable, readRegistrable } from './read-registrable.ts';

/** @throws vm.nothing-to-register, vm.settings-damaged */
export async function withDifferentials(
  full: Registrable,
  directories: readonly string[],
): Promise<Registrable> {
  let whole = full;
  for (const directory of directories) whole = continued(whole, await readRegistrable(directory));
  return whole;
}

/** Pure. */
export function continued(below: Registrable, next: Registrable): Registrable {
  const problems: FileProblem[] = [...below.problems, ...next.problems];
  const refuse = (reason: string): void => {
    problems.push({ what: 'differential export', path: next.directory, reason });
  };
  const since = next.export?.since;
  if (!since) refuse('it is no differential export');
  if (next.settings.id !== below.settings.id) refuse('it is of another VM');
  const toConvert = below.toConvert.length > 0;
  if (toConvert)
    refuse('the full export has disks in a format that no VM runs on; export it as qcow2 or raw');
  const disks = next.settings.disks.map((disk): DiskSettings => {
    const from = since?.disks.find(({ name }) => name === disk.name)?.from ?? null;
    if (from === null) return disk;
    const lower = below.settings.disks.find(({ id }) => id === disk.id);
    const chain: Chain = lower ? chainOf(lower) : [];
    if (chain[0]?.id !== from) {
      refuse(
        `disk ${disk.name} continues another state than the one below it; name the exports in their order`,
      );
      return disk;
    }
    return withChain(disk, [...chainOf(disk), ...chain]);
  });
  return {
    ...below,
    settings: { ...next.settings, disks },
    // Memory and checkpoints are of the full one's moment.
    checkpoints: [],
    savedMemory: false,
    export: below.export && { ...below.export, memory: null, state: 'off' },
    problems,
    differentials: [...below.differentials, next.directory],
  };
}
