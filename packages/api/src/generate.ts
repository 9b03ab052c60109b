/** What `npm run gen` writes for this package. */
import { clientSource } from './client-source.ts';
import { openApiDocument } from './openapi.ts';
import { allRoutes } from './routes.ts';

export async function generate(): Promise<Map<string, string>> {
  const routes = allRoutes();
  return new Map([
    ['api/openapi.json', `${JSON.stringify(openApiDocument(routes), null, 2)}\n`],
    ['packages/api/src/client.gen.ts', clientSource(routes)],
  ]);
}
