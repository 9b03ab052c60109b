/** The contract as a whole: it is a valid OpenAPI file, its generated files are up to date, its codes are real. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { errorStatuses } from '@corral/api/error-statuses';
import { generate } from '@corral/api/generate';
import { allRoutes } from '@corral/api/routes';
import { registeredErrors } from '@corral/core/errors';
import { Validator } from '@seriousme/openapi-schema-validator';
import { generate as loadAllErrors } from '../../tools/gen/errors.ts';

const root = new URL('../../', import.meta.url);

test('api/openapi.json is valid OpenAPI 3.1', async () => {
  const document = JSON.parse(readFileSync(new URL('api/openapi.json', root), 'utf8'));
  const validator = new Validator();
  const result = await validator.validate(document);
  assert.deepEqual(result.errors ?? [], []);
  assert.ok(result.valid);
  assert.equal(validator.version, '3.1');
});

test('every reference of the OpenAPI file leads somewhere', () => {
  const text = readFileSync(new URL('api/openapi.json', root), 'utf8');
  const document = JSON.parse(text);
  for (const [, path] of text.matchAll(/"\$ref": "#\/([^"]+)"/g)) {
    const found = path!.split('/').reduce((at, key) => at?.[key], document);
    assert.ok(found, path);
  }
});

test('the generated files are those of the contract', async () => {
  for (const [path, content] of await generate()) {
    const present = readFileSync(new URL(path, root), 'utf8');
    assert.ok(present === content, `${path} is out of date: run "npm run gen"`);
  }
});

test('each code that a route names is in the registry, with the status that the contract gives', async () => {
  await loadAllErrors();
  for (const [code, status] of Object.entries(errorStatuses)) {
    assert.equal(registeredErrors().get(code)?.status, status, code);
  }
});

test('each route has an id, a path and a form that fit each other', () => {
  const seen = new Set<string>();
  for (const route of allRoutes()) {
    const place = `${route.method} ${route.path}`;
    assert.ok(!seen.has(place), `twice: ${place}`);
    seen.add(place);
    assert.match(route.id, /^[a-z]+(\.[a-z]+(-[a-z]+)*)+$/);
    assert.match(route.summary, /^[A-Z].*[^.]$/, route.id);
    const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
    assert.deepEqual(inPath, Object.keys(route.params?.shape ?? {}), route.id);
    if (route.kind === 'operation') assert.equal(route.status, 202, route.id);
    if (route.method === 'GET') assert.equal(route.body, undefined, route.id);
    if (route.method !== 'GET') assert.notEqual(route.role, 'viewer', `${route.id} changes something`);
    if (route.method !== 'GET') assert.notEqual(route.role, 'none', `${route.id} changes something`);
  }
});

test('only what describes the daemon needs no right', () => {
  const open = allRoutes().filter(({ role }) => role === 'none');
  assert.deepEqual(
    open.map(({ id }) => id),
    ['service.health', 'service.openapi'],
  );
});
