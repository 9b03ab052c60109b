/** Registers VMs from their files, and reports before what does not fit this host. */
import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { RegistrationReport, VmRegister } from '@corral/api/schemas/registration';
import type { OperationSnapshot } from '@corral/operation/operation';
import { vmErrors } from '../errors.ts';
import { bridgeOf, interfaceExists } from '../network/tap.ts';
import type { Requester, StartOperation } from '../operations.ts';
import type { QemuFacts } from '../qemu-facts.ts';
import { readHostMemory } from '../vm/memory-budget.ts';
import type { VmHost } from '../vm/vm-host.ts';
import { newMac } from '../vm/vm-service.ts';
import { judgeRegistration, type RegistrationFacts, switched } from './judge-registration.ts';
import { planRegistration } from './plan-registration.ts';
import { withDifferentials } from './read-differentials.ts';
import { type Registrable, readRegistrable } from './read-registrable.ts';
import type { vmRegister } from './register-operation.ts';

/** The folder itself gets the right mode when it is taken over; those above it are the administrator's. */
async function closedFolderAbove(directory: string): Promise<string | null> {
  for (let folder = dirname(directory); ; folder = dirname(folder)) {
    if (((await stat(folder)).mode & 0o001) === 0) return folder;
    if (folder === dirname(folder)) return null;
  }
}

export interface RegistrationServiceOptions {
  readonly host: VmHost;
  readonly operation: ReturnType<typeof vmRegister>;
  readonly start: StartOperation;
  readonly qemu: () => Promise<QemuFacts>;
}

export class RegistrationService {
  readonly #options: RegistrationServiceOptions;

  constructor(options: RegistrationServiceOptions) {
    this.#options = options;
  }

  /** Changes nothing. @throws vm.nothing-to-register, vm.settings-damaged */
  async check(request: VmRegister): Promise<RegistrationReport> {
    return (await this.#look(request)).report;
  }

  /** @throws vm.not-registrable, which names every problem */
  async register(request: VmRegister, caller: Requester): Promise<OperationSnapshot> {
    const { found, facts, report } = await this.#look(request);
    if (!report.fits) {
      const problems = report.findings.filter(({ severity }) => severity === 'problem');
      throw vmErrors['not-registrable']({
        path: request.directory,
        problems: problems.map(({ subject, message, fix }) => `${subject}: ${message} ${fix}`),
      });
    }
    const plan = planRegistration(found, request, { newId: randomUUID, newMac });
    return this.#options.start(
      this.#options.operation,
      {
        ...plan,
        directory: found.directory,
        copy: request.copy,
        differentials: [...found.differentials],
        atHome: facts.atHome && !request.copy,
        toConvert: [...found.toConvert],
      },
      { requestedBy: caller.name },
    );
  }

  async #look(request: VmRegister): Promise<{
    readonly found: Registrable;
    readonly facts: RegistrationFacts;
    readonly report: RegistrationReport;
  }> {
    const found = await withDifferentials(await readRegistrable(request.directory), request.differentials);
    const facts = await this.#facts(found, request);
    const findings = judgeRegistration(found, request, facts);
    const { settings } = found;
    const report: RegistrationReport = {
      id: settings.id,
      name: request.name ?? settings.name,
      directory: found.directory,
      source: found.export ? 'export' : 'folder',
      checkpoints: found.checkpoints.length,
      disks: settings.disks.length,
      fits: findings.every(({ severity }) => severity !== 'problem'),
      findings,
    };
    return { found, facts, report };
  }

  async #facts(found: Registrable, { name, newId, switches }: VmRegister): Promise<RegistrationFacts> {
    const { host, qemu } = this.#options;
    const { settings, directory, checkpoints } = found;
    const machines = [settings, ...checkpoints.map(({ checkpoint }) => checkpoint.settings)];
    const ports = machines.flatMap((vm) => switched(vm, switches).ports);
    const bridges = ports.flatMap(({ network }) => bridgeOf(network) ?? []);
    const missingBridges: string[] = [];
    for (const bridge of new Set(bridges)) {
      if (!(await interfaceExists(bridge, 'bridge'))) missingBridges.push(bridge);
    }
    return {
      missingBridges,
      totalMemoryBytes: (await readHostMemory()).totalBytes,
      machineTypes: (await qemu()).machineTypes,
      nameTaken: (await host.records.find(name ?? settings.name)) !== null,
      idTaken: !newId && (await host.records.find(settings.id)) !== null,
      atHome: directory === host.directory.vm(settings.id).folder,
      closedFolder: host.firstUid === null ? null : await closedFolderAbove(directory),
    };
  }
}
