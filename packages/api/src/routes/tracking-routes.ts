import { route } from '../route.ts';
import { Tracking, TrackingPatch } from '../schemas/tracking.ts';
import { VmParams } from './vm-routes.ts';

export const trackingRoutes = {
  'tracking.show': route({
    id: 'tracking.show',
    method: 'GET',
    path: '/v1/vms/{vm}/tracking',
    summary: 'Show how the changes of a VM are tracked, and how far that is proved',
    role: 'viewer',
    kind: 'json',
    params: VmParams,
    status: 200,
    response: Tracking,
    errors: ['vm.not-found'],
  }),
  'tracking.set': route({
    id: 'tracking.set',
    method: 'PATCH',
    path: '/v1/vms/{vm}/tracking',
    summary: 'Choose how the changes of a VM are tracked, and how often that is proved',
    role: 'operator',
    kind: 'json',
    params: VmParams,
    body: TrackingPatch,
    status: 200,
    response: Tracking,
    errors: ['vm.not-found'],
  }),
};
