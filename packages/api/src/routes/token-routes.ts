import { z } from 'zod';
import { route } from '../route.ts';
import { NameOrId, PageQuery, pageOf } from '../schemas/common.ts';
import { Token, TokenCreate, TokenCreated } from '../schemas/token.ts';

export const TokenPage = pageOf(Token);

export const tokenRoutes = {
  'token.create': route({
    id: 'token.create',
    method: 'POST',
    path: '/v1/tokens',
    summary: 'Make a token; its secret is shown only now',
    role: 'administrator',
    kind: 'json',
    body: TokenCreate,
    status: 201,
    response: TokenCreated,
    errors: ['token.exists'],
  }),
  'token.list': route({
    id: 'token.list',
    method: 'GET',
    path: '/v1/tokens',
    summary: 'List the tokens, without their secrets',
    role: 'administrator',
    kind: 'json',
    query: PageQuery,
    status: 200,
    response: TokenPage,
  }),
  'token.revoke': route({
    id: 'token.revoke',
    method: 'DELETE',
    path: '/v1/tokens/{token}',
    summary: 'Revoke a token: it is refused from the next request on',
    role: 'administrator',
    kind: 'json',
    params: z.strictObject({ token: NameOrId }),
    status: 204,
    errors: ['token.not-found'],
  }),
};
