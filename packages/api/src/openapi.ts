/** The OpenAPI 3.1 description, made from the table of routes. Pure. */
import { STATUS_CODES } from 'node:http';
import type { z } from 'zod';
import {
  type ComponentSchemas,
  componentSchemas,
  inlineSchema,
  type JsonSchema,
} from './component-schemas.ts';
import { components } from './components.ts';
import { errorStatuses } from './error-statuses.ts';
import { commonErrors, type Route } from './route.ts';
import { Problem } from './schemas/problem.ts';

const description = `Manages virtual machines on one host and in a cluster.

- What changes something long-lived answers 202 with an operation and its address in \`Location\`; follow it to its end.
- Errors are problem details (RFC 9457); their \`code\` is stable and listed in docs/errors.md.
- Lists are \`{items, next}\`; \`next\` goes into \`after\` of the next request and is null on the last page.
- The ETag of a VM is the generation of its settings. PATCH and DELETE need it in \`If-Match\`; \`*\` changes whatever is there.
- Streams of server-sent events are taken up again with \`Last-Event-ID\`. Lines that begin with a colon are heartbeats; the event \`end\` says that no more will come.
- Fields that are not known are refused in requests. Answers may gain fields.`;

const problemRef = '#/components/responses/Problem';

export function openApiDocument(routes: readonly Route[]): JsonSchema {
  const bodies = routes.flatMap(({ body }) => (body && body !== 'bytes' ? [body] : []));
  const answers = routes.flatMap(({ response }) => (response ? [response] : []));
  const named = componentSchemas(components, bodies, [...answers, Problem]);
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    paths[route.path] ??= {};
    paths[route.path]![route.method.toLowerCase()] = operationObject(route, named);
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Corral',
      version: '1',
      description,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    tags: tagsOf(routes),
    paths,
    components: {
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description: 'From "corral token create". The Unix socket needs none.',
        },
        ticket: {
          type: 'apiKey',
          in: 'query',
          name: 'ticket',
          description: 'From POST /v1/vms/{vm}/tickets.',
        },
      },
      responses: {
        Problem: {
          description: 'Another error',
          content: { 'application/problem+json': { schema: named.output(Problem) } },
        },
      },
      schemas: named.schemas,
    },
  };
}

function tagsOf(routes: readonly Route[]): JsonSchema[] {
  return [...new Set(routes.map(tagOf))].map((name) => ({ name }));
}

function tagOf(route: Route): string {
  return route.id.split('.')[0]!;
}

function operationObject(route: Route, named: ComponentSchemas): JsonSchema {
  const parameters = parametersOf(route);
  const body = bodyOf(route, named);
  return {
    operationId: route.id,
    summary: route.summary,
    ...(route.description && { description: route.description }),
    tags: [tagOf(route)],
    ...securityOf(route),
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: body }),
    responses: { ...successOf(route, named), ...failuresOf(route) },
  };
}

function securityOf(route: Route): JsonSchema {
  if (route.role === 'none') return { security: [] };
  const right = { 'x-corral-role': route.role };
  return route.kind === 'websocket' ? { security: [{ ticket: [] }], ...right } : right;
}

function parametersOf(route: Route): JsonSchema[] {
  const fromQuery = route.kind === 'websocket' ? [] : parameterList(route.query, 'query');
  const headers: JsonSchema[] = [];
  if (route.etag === 'required') {
    headers.push(headerParameter('If-Match', true, 'the ETag that was read, or *'));
  }
  if (route.kind === 'sse') {
    headers.push(headerParameter('Last-Event-ID', false, 'the last id that was received'));
  }
  return [...parameterList(route.params, 'path'), ...fromQuery, ...headers];
}

function headerParameter(name: string, required: boolean, text: string): JsonSchema {
  return { name, in: 'header', required, description: text, schema: { type: 'string' } };
}

function parameterList(object: z.ZodObject | undefined, place: 'path' | 'query'): JsonSchema[] {
  return Object.entries(object?.shape ?? {}).map(([name, schema]) => {
    const { description: text, ...rest } = inlineSchema(schema as z.ZodType);
    const required = place === 'path' || !(schema as z.ZodType).safeParse(undefined).success;
    return { name, in: place, required, ...(text !== undefined && { description: text }), schema: rest };
  });
}

function bodyOf(route: Route, named: ComponentSchemas): JsonSchema | null {
  if (!route.body) return null;
  if (route.body === 'bytes') return { required: true, content: { 'application/octet-stream': {} } };
  const schema = named.input(route.body);
  const patch = route.method === 'PATCH' ? { 'application/merge-patch+json': { schema } } : {};
  const required = !route.body.safeParse({}).success;
  return { required, content: { ...patch, 'application/json': { schema } } };
}

function successOf(route: Route, named: ComponentSchemas): JsonSchema {
  const headers: Record<string, unknown> = {};
  if (route.etag === 'returned') headers['ETag'] = stringHeader('generation of the settings');
  if (route.kind === 'operation') headers['Location'] = stringHeader('of the operation');
  const content = contentOf(route, named);
  return {
    [route.status]: {
      description: STATUS_CODES[route.status],
      ...(Object.keys(headers).length > 0 && { headers }),
      ...(content && { content }),
    },
  };
}

function stringHeader(text: string): JsonSchema {
  return { description: text, schema: { type: 'string' } };
}

function contentOf(route: Route, named: ComponentSchemas): JsonSchema | null {
  switch (route.kind) {
    case 'bytes':
      return { 'application/octet-stream': {} };
    case 'text':
      return { [route.mediaType ?? 'text/plain']: {} };
    case 'sse':
      return {
        'text/event-stream': { schema: { type: 'string', 'x-corral-data': named.output(route.response!) } },
      };
    default:
      return route.response ? { 'application/json': { schema: named.output(route.response) } } : null;
  }
}

/** Errors by status, each with the codes that it can have. */
function failuresOf(route: Route): JsonSchema {
  const byStatus = new Map<number, string[]>();
  for (const code of [...commonErrors(route), ...route.errors]) {
    const status = errorStatuses[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const entries = [...byStatus].map(([status, codes]) => [
    status,
    { $ref: problemRef, description: codes.join(', ') },
  ]);
  return { ...Object.fromEntries(entries), default: { $ref: problemRef } };
}
