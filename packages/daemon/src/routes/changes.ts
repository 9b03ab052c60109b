import { apiErrors } from '@corral/api/errors';
import type { HandlersOf } from '../http/handler.ts';
import { paginate } from '../http/page.ts';
import type { ChangesService } from '../services.ts';
import { operationDocument } from './operation-document.ts';

export function changesHandlers(changes: ChangesService): HandlersOf<'changes'> {
  return {
    'changes.open': async ({ body, caller, params }) =>
      operationDocument(await changes.open(params.vm, body, caller)),
    'changes.list': async ({ params, query }) =>
      paginate(await changes.list(params.vm), ({ createdAt, id }) => `${createdAt}\0${id}`, query),
    'changes.show': ({ params }) => changes.show(params.vm, params.changes),
    'changes.extents': async ({ params, query }) => {
      const { vm, changes: id, disk } = params;
      const { items, next } = await changes.extents(vm, id, disk, placeOf(query.after), query.limit);
      return { items, next: next === null ? null : String(next) };
    },
    'changes.close': async ({ caller, params }) =>
      operationDocument(await changes.close(params.vm, params.changes, caller)),
  };
}

/** Lists may hold a million extents: the cursor is the place itself. */
function placeOf(after: string | undefined): number {
  if (after === undefined) return 0;
  const place = /^\d{1,16}$/.test(after) ? Number(after) : Number.NaN;
  if (Number.isSafeInteger(place)) return place;
  throw apiErrors['invalid-request']({ issues: ['query.after: it is no "next" of a page before'] });
}
