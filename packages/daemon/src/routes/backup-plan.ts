import type { HandlersOf } from '../http/handler.ts';
import { byName, paginate } from '../http/page.ts';
import type { PlanService } from '../services.ts';

export function backupPlanHandlers(plans: PlanService): HandlersOf<'plan'> {
  return {
    'plan.list': async ({ query }) => paginate(await plans.list(), byName, query),
    'plan.show': ({ params }) => plans.show(params.plan),
    'plan.create': ({ body }) => plans.create(body),
    'plan.set': ({ body, params }) => plans.set(params.plan, body),
    'plan.run': ({ caller, params }) => plans.run(params.plan, caller),
    'plan.delete': async ({ params }) => {
      await plans.delete(params.plan);
      return undefined;
    },
  };
}
