import type { HandlersOf } from '../http/handler.ts';
import { byName, paginate } from '../http/page.ts';
import type { Tokens } from '../tokens.ts';

export function tokenHandlers(tokens: Tokens): HandlersOf<'token'> {
  return {
    'token.create': ({ body, caller }) => tokens.create(body, caller.name),
    'token.list': async ({ query }) => paginate(await tokens.list(), byName, query),
    'token.revoke': async ({ caller, params }) => {
      await tokens.revoke(params.token, caller.name);
      return undefined;
    },
  };
}
