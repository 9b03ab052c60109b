import type { Operation } from '@corral/api/schemas/operation';
import type { HandlersOf } from '../http/handler.ts';
import { byName, paginate } from '../http/page.ts';
import type { Caller, PlainVmAction, VmService } from '../services.ts';
import { hostPathsOf, hostPathsOfDisk, refuseHostPaths } from './host-paths.ts';
import { operationDocument } from './operation-document.ts';

type VmHandlers = Omit<
  HandlersOf<'vm'>,
  'vm.ticket.create' | 'vm.console' | 'vm.display' | 'vm.export' | 'vm.register' | 'vm.registration.check'
>;

export function vmHandlers(vms: VmService): VmHandlers {
  return {
    'vm.list': async ({ query }) => paginate(await vms.list(), byName, query),
    'vm.show': ({ params }) => vms.show(params.vm),
    'vm.create': async ({ body, caller }) => {
      refuseHostPaths(hostPathsOf(body), caller);
      return operationDocument(await vms.create(body, caller));
    },
    'vm.update': async ({ body, caller, expectedGeneration, params }) => {
      refuseHostPaths(hostPathsOf(body), caller);
      return operationDocument(await vms.update(params.vm, body, expectedGeneration, caller));
    },
    'vm.delete': async ({ caller, expectedGeneration, params }) =>
      operationDocument(await vms.delete(params.vm, expectedGeneration, caller)),
    'vm.clone': async ({ body, caller, params }) =>
      operationDocument(await vms.clone(params.vm, body, caller)),
    'vm.start': act(vms, 'start'),
    'vm.shutdown': async ({ body, caller, params }) =>
      operationDocument(await vms.shutdown(params.vm, body, caller)),
    'vm.stop': act(vms, 'stop'),
    'vm.pause': act(vms, 'pause'),
    'vm.resume': act(vms, 'resume'),
    'vm.save': act(vms, 'save'),
    'vm.discard-saved': act(vms, 'discard-saved'),
    'vm.reset': act(vms, 'reset'),
    ...diskHandlers(vms),
    ...portHandlers(vms),
  };
}

/** These routes differ in nothing but the action. */
function act(vms: VmService, action: PlainVmAction) {
  return async ({ caller, params }: { caller: Caller; params: { vm: string } }): Promise<Operation> =>
    operationDocument(await vms.act(params.vm, action, caller));
}

function diskHandlers(vms: VmService): HandlersOf<'vm.disk'> {
  return {
    'vm.disk.list': async ({ params, query }) => paginate((await vms.show(params.vm)).disks, byName, query),
    'vm.disk.add': async ({ body, caller, params }) => {
      refuseHostPaths(hostPathsOfDisk(body), caller);
      return operationDocument(await vms.addDisk(params.vm, body, caller));
    },
    'vm.disk.resize': async ({ body, caller, params }) =>
      operationDocument(await vms.resizeDisk(params.vm, params.disk, body, caller)),
    'vm.disk.accept': async ({ caller, params }) =>
      operationDocument(await vms.acceptDisk(params.vm, params.disk, caller)),
    'vm.disk.remove': async ({ caller, params, query }) => {
      const options = { keep: query.keep === 'true' };
      return operationDocument(await vms.removeDisk(params.vm, params.disk, options, caller));
    },
  };
}

function portHandlers(vms: VmService): HandlersOf<'vm.port'> {
  return {
    'vm.port.list': async ({ params, query }) => paginate((await vms.show(params.vm)).ports, byName, query),
    'vm.port.add': async ({ body, caller, params }) =>
      operationDocument(await vms.addPort(params.vm, body, caller)),
    'vm.port.remove': async ({ caller, params }) =>
      operationDocument(await vms.removePort(params.vm, params.port, caller)),
  };
}
