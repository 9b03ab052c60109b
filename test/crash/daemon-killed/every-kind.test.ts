/**
 * The daemon is killed at every step of every operation; the next one finishes or undoes it, nothing is left over, and
 * the next try works. `npm test` takes one phase of each step, chosen by the seed; `npm run test:crash` takes all.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { scenarios } from '../scenarios.ts';
import { registry } from '../steps.ts';
import { areaOf, areas } from './areas.ts';

const kinds = registry()
  .list()
  .map(({ kind }) => kind);

it('every kind of operation has a scenario', () => {
  assert.deepEqual(Object.keys(scenarios).sort(), [...kinds].sort());
});

it('every kind of operation belongs to an area, and every area has its file', () => {
  for (const kind of kinds) assert.ok(areaOf(kind), `${kind} belongs to an area (areas.ts)`);
  for (const area of Object.keys(areas)) {
    assert.ok(existsSync(fileURLToPath(new URL(`${area}.test.ts`, import.meta.url))), `${area}.test.ts`);
  }
});
