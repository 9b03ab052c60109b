import { z } from 'zod';
import { route } from '../route.ts';
import { BackupPlan, BackupPlanCreate, BackupPlanPage } from '../schemas/backup-plan.ts';
import { NameOrId, PageQuery } from '../schemas/common.ts';

const PlanParams = z.strictObject({ plan: NameOrId });

export const backupPlanRoutes = {
  'plan.list': route({
    id: 'plan.list',
    method: 'GET',
    path: '/v1/backup-plans',
    summary: 'List the backup plans, by name',
    role: 'viewer',
    kind: 'json',
    query: PageQuery,
    status: 200,
    response: BackupPlanPage,
    errors: [],
  }),
  'plan.show': route({
    id: 'plan.show',
    method: 'GET',
    path: '/v1/backup-plans/{plan}',
    summary: 'Show a backup plan',
    role: 'viewer',
    kind: 'json',
    params: PlanParams,
    status: 200,
    response: BackupPlan,
    errors: ['backup.plan-not-found'],
  }),
  'plan.create': route({
    id: 'plan.create',
    method: 'POST',
    path: '/v1/backup-plans',
    summary: 'Create a backup plan',
    role: 'operator',
    kind: 'json',
    body: BackupPlanCreate,
    status: 201,
    response: BackupPlan,
    errors: ['backup.plan-exists', 'vm.not-found', 'repository.not-connected'],
  }),
  'plan.delete': route({
    id: 'plan.delete',
    method: 'DELETE',
    path: '/v1/backup-plans/{plan}',
    summary: 'Delete a backup plan; its backups stay',
    role: 'operator',
    kind: 'json',
    params: PlanParams,
    status: 204,
    errors: ['backup.plan-not-found'],
  }),
};
