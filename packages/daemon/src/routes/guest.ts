import { guestErrors } from '@corral/host/guest/guest-service';
import type { HandlersOf } from '../http/handler.ts';
import { paginate } from '../http/page.ts';
import type { GuestService } from '../services.ts';

export function guestHandlers(guests: GuestService): HandlersOf<'guest'> {
  return {
    'guest.info': ({ params, signal }) => guests.info(params.vm, signal),
    'guest.exec': ({ body, params, signal }) => guests.exec(params.vm, body, signal),
    'guest.file.get': ({ params, query, signal }) =>
      guests.readFile(params.vm, query.path, query.maxBytes, signal),
    'guest.file.put': async ({ body, params, query, signal }) => {
      const { path } = query;
      return { path, sizeBytes: await guests.writeFile(params.vm, path, body, signal) };
    },
    ...keyValueHandlers(guests),
  };
}

function keyValueHandlers(guests: GuestService): HandlersOf<'guest.kv'> {
  return {
    'guest.kv.list': async ({ params, query, signal }) => {
      const pairs = await guests.listKeyValues(params.vm, signal);
      const wanted = pairs.filter(({ source }) => query.source === undefined || query.source === source);
      return paginate(wanted, ({ key, source }) => `${key}\0${source}`, query);
    },
    'guest.kv.get': async ({ params: { key, vm }, query: { source }, signal }) => {
      const pairs = await guests.listKeyValues(vm, signal);
      const pair = pairs.find((candidate) => candidate.key === key && candidate.source === source);
      if (!pair) throw guestErrors['key-not-found']({ vm, key });
      return pair;
    },
    'guest.kv.put': ({ body, params, signal }) =>
      guests.putKeyValue(params.vm, params.key, body.value, signal),
    'guest.kv.delete': async ({ params, signal }) => {
      await guests.deleteKeyValue(params.vm, params.key, signal);
      return undefined;
    },
  };
}
