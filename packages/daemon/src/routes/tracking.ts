import type { HandlersOf } from '../http/handler.ts';
import type { TrackingService } from '../services.ts';

export function trackingHandlers(tracking: TrackingService): HandlersOf<'tracking'> {
  return {
    'tracking.show': ({ params }) => tracking.show(params.vm),
    'tracking.set': ({ body, params }) => tracking.set(params.vm, body),
  };
}
