import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { componentSchemas } from './component-schemas.ts';

const Delay = z.strictObject({ delayMs: z.int().default(0) });
const Plain = z.strictObject({ x: z.string() });
const Create = z.strictObject({ name: z.string(), delay: Delay, plain: Plain });
const Shown = z.strictObject({ id: z.string(), delay: Delay, plain: Plain, creates: z.array(Create) });
const named = componentSchemas({ Delay, Plain, Create, Shown }, [Create], [Shown]);

function schema(name: string): Record<string, unknown> {
  return named.schemas[name] as Record<string, unknown>;
}

test('a component with defaults has two faces, and so have those that refer to it', () => {
  assert.deepEqual(Object.keys(named.schemas), [
    'Create',
    'CreateInput',
    'Delay',
    'DelayInput',
    'Plain',
    'Shown',
  ]);
  assert.deepEqual(schema('Delay')['required'], ['delayMs']);
  assert.equal(schema('DelayInput')['required'], undefined);
  assert.match(JSON.stringify(schema('CreateInput')), /schemas\/DelayInput.*schemas\/Plain"/);
  assert.match(JSON.stringify(schema('Create')), /schemas\/Delay"/);
  assert.deepEqual(named.input(Create), { $ref: '#/components/schemas/CreateInput' });
  assert.deepEqual(named.output(Create), { $ref: '#/components/schemas/Create' });
});

test('what is taken refuses unknown fields, what is only given back may gain some', () => {
  assert.equal(schema('CreateInput')['additionalProperties'], false);
  assert.equal(schema('Shown')['additionalProperties'], undefined);
});

test('a body without a name is a defect', () => {
  assert.throws(() => componentSchemas({}, [Plain], []), /has no name/);
});
