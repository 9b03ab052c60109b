/** What of a VM does not fit this host, each with its fix. Pure. */
import type { RegistrationFinding, VmRegister } from '@corral/api/schemas/registration';
import type { VmSettings } from '@corral/api/schemas/vm-settings';
import type { SavedMemory } from '../vm/vm-record.ts';
import type { Registrable } from './read-registrable.ts';

export interface RegistrationFacts {
  /** Names of bridges that are not there, of those that the VM or a checkpoint would have. */
  readonly missingBridges: readonly string[];
  readonly totalMemoryBytes: number;
  readonly machineTypes: ReadonlySet<string>;
  readonly nameTaken: boolean;
  readonly idTaken: boolean;
  /** The folder is that of a VM of this host's data directory already, and the only one it can be. */
  readonly atHome: boolean;
  /** A folder on the way to it through which the VM's user may not walk; null if there is none. */
  readonly closedFolder: string | null;
}

/** The settings with the networks that were asked for. */
export function switched(settings: VmSettings, switches: VmRegister['switches']): VmSettings {
  const ports = settings.ports.map((port) => ({ ...port, network: switches[port.network] ?? port.network }));
  return { ...settings, ports };
}

export function judgeRegistration(
  found: Registrable,
  request: VmRegister,
  facts: RegistrationFacts,
): RegistrationFinding[] {
  const settings = switched(found.settings, request.switches);
  return [
    ...identityFindings(found, request, facts),
    ...differentialFindings(found, request),
    ...found.problems.map(({ what, path, reason }) =>
      problem(what, `${path}: ${reason}.`, 'Put the right file there.'),
    ),
    ...settings.ports
      .filter(({ network }) => facts.missingBridges.includes(network.replace('bridge:', '')))
      .map(({ name, network }) =>
        problem(
          `port ${name}`,
          `This host has no ${network.replace(':', ' ')}.`,
          `--switch ${network}=bridge:NAME, or --switch ${network}=user`,
        ),
      ),
    ...checkpointFindings(found, request, facts),
    ...machineFindings(settings, facts),
    ...memoryFindings(found, request),
  ];
}

function differentialFindings(found: Registrable, { copy }: VmRegister): RegistrationFinding[] {
  const findings: RegistrationFinding[] = [];
  if (found.export?.since && found.differentials.length === 0) {
    const { reference } = found.export.since;
    const message = `It holds only what changed since reference point ${reference}.`;
    const fix = 'Name the full export, and this one with --differential.';
    findings.push(problem('export', message, fix));
  }
  if (found.differentials.length > 0 && !copy) {
    const message = 'Differential exports are put on a copy of the full one.';
    findings.push(problem('export', message, '--copy as well'));
  }
  return findings;
}

function identityFindings(
  { settings }: Registrable,
  { name, newId, copy }: VmRegister,
  facts: RegistrationFacts,
): RegistrationFinding[] {
  const findings: RegistrationFinding[] = [];
  if (facts.nameTaken) {
    const taken = name ?? settings.name;
    findings.push(problem('name', `A VM ${taken} is there already.`, '--name with another name'));
  }
  if (facts.idTaken) {
    const fix = copy ? '--new-id' : '--copy --new-id';
    findings.push(problem('id', 'A VM with this id is there already.', fix));
  }
  if (facts.closedFolder !== null && !copy) {
    const message = `The VM's user may not walk through ${facts.closedFolder}.`;
    findings.push(problem('folder', message, `chmod o+x ${facts.closedFolder}, or --copy`));
  }
  if (newId && facts.atHome && !copy) {
    findings.push(problem('id', 'Its folder is named after the id that it has.', '--copy as well'));
  }
  return findings;
}

/** Its networks count when it is applied: it can be taken over before they are there. */
function checkpointFindings(
  { checkpoints }: Registrable,
  { switches }: VmRegister,
  { missingBridges }: RegistrationFacts,
): RegistrationFinding[] {
  return checkpoints.flatMap(({ checkpoint: { name, settings } }) => {
    const networks = new Set(switched(settings, switches).ports.map(({ network }) => network));
    return [...networks]
      .filter((network) => missingBridges.includes(network.replace('bridge:', '')))
      .map((network) =>
        note(
          `checkpoint ${name}`,
          `This host has no ${network.replace(':', ' ')}: applied, the VM would not start.`,
          `--switch ${network}=bridge:NAME, or --switch ${network}=user`,
        ),
      );
  });
}

function machineFindings(settings: VmSettings, facts: RegistrationFacts): RegistrationFinding[] {
  const findings: RegistrationFinding[] = [];
  const { machineType } = settings.version;
  if (!facts.machineTypes.has(machineType)) {
    const message = `This host's QEMU has no machine type ${machineType}.`;
    findings.push(problem('machine type', message, 'Install a QEMU that has it.'));
  }
  if (settings.memoryBytes > facts.totalMemoryBytes) {
    const message = `It has ${settings.memoryBytes} bytes of memory, this host ${facts.totalMemoryBytes}.`;
    findings.push(note('memory', message, `"corral vm set ${settings.name} --memory" before it is started`));
  }
  if (settings.iso) {
    const message = `${settings.iso} was a file of its old host and is not taken over.`;
    findings.push(note('ISO', message, `"corral vm set ${settings.name} --iso" with a file of this host`));
  }
  return findings;
}

/** Memory comes back only into the very machine that it belonged to. */
export function keepsMemory(memory: SavedMemory | null, { newId }: Pick<VmRegister, 'newId'>): boolean {
  return memory !== null && !newId && memory.applied.iso === null;
}

function memoryFindings(found: Registrable, request: VmRegister): RegistrationFinding[] {
  const findings: RegistrationFinding[] = [];
  if (found.savedMemory && !found.export?.memory) {
    const message =
      'It was saved; what its memory belongs to was known to its old host alone. It will be off.';
    findings.push(note('saved memory', message, 'None.'));
  }
  const memories = [found.export?.memory, ...found.checkpoints.map(({ checkpoint }) => checkpoint.memory)];
  if (memories.some((memory) => memory && !keepsMemory(memory, request))) {
    const message =
      'Memory belongs to the very machine that it was, with its addresses and its ISO: some of it is left out.';
    findings.push(note('memory', message, 'Without --new-id it is kept, if no ISO was in the drive.'));
  }
  return findings;
}

function problem(subject: string, message: string, fix: string): RegistrationFinding {
  return { severity: 'problem', subject, message, fix };
}

function note(subject: string, message: string, fix: string): RegistrationFinding {
  return { severity: 'note', subject, message, fix };
}
