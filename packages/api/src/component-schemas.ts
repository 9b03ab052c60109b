/**
 * JSON Schemas of the named components. A schema has two faces where it has defaults: what is taken may leave a
 * field out, what is given back has it. A component that is used both ways and differs gets two names, `X` for what
 * is given back and `XInput` for what is taken.
 */
import { z } from 'zod';

export type JsonSchema = Readonly<Record<string, unknown>>;
type Schemas = Readonly<Record<string, JsonSchema>>;

export interface ComponentSchemas {
  readonly schemas: Schemas;
  /** Reference to the component for what is taken. */
  input(schema: z.ZodType): JsonSchema;
  /** Reference to the component for what is given back. */
  output(schema: z.ZodType): JsonSchema;
}

const refPrefix = '#/components/schemas/';

/**
 * @param inputs schemas of bodies
 * @param outputs schemas of answers
 * @throws Error when one of them has no name among the components, which is a defect of the program
 */
export function componentSchemas(
  components: Readonly<Record<string, z.ZodType>>,
  inputs: readonly z.ZodType[],
  outputs: readonly z.ZodType[],
): ComponentSchemas {
  const names = new Map(Object.entries(components).map(([name, schema]) => [schema, name]));
  const nameOf = (schema: z.ZodType): string => {
    const name = names.get(schema);
    if (name === undefined) throw new Error(`a body or an answer has no name: ${describe(schema)}`);
    return name;
  };
  const taken = convert(components, 'input');
  const given = convert(components, 'output');
  const takenNames = reachable(taken, inputs.map(nameOf));
  const givenNames = reachable(given, outputs.map(nameOf));
  const twofold = differing(taken, given, takenNames, givenNames);
  const renamed = (name: string): string => (twofold.has(name) ? `${name}Input` : name);
  const schemas = Object.fromEntries([
    ...[...givenNames].map(
      (name) => [name, takenNames.has(name) ? given[name] : opened(given[name]!)] as const,
    ),
    ...[...takenNames].map((name) => [renamed(name), renameRefs(taken[name]!, renamed)] as const),
  ]) as Schemas;
  return {
    schemas: Object.fromEntries(Object.entries(schemas).toSorted(([a], [b]) => (a < b ? -1 : 1))),
    input: (schema) => ({ $ref: refPrefix + renamed(nameOf(schema)) }),
    output: (schema) => ({ $ref: refPrefix + nameOf(schema) }),
  };
}

/** One schema that stands where it is used: a parameter. */
export function inlineSchema(schema: z.ZodType): JsonSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return rest;
}

function convert(components: Readonly<Record<string, z.ZodType>>, io: 'input' | 'output'): Schemas {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(components)) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, { io, uri: (id) => refPrefix + id, unrepresentable: 'any' });
  return Object.fromEntries(
    Object.entries(schemas).map(([name, { $id: _id, $schema: _schema, ...rest }]) => [name, rest]),
  );
}

function refsOf(schema: JsonSchema): string[] {
  return [...JSON.stringify(schema).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(
    (match) => match[1]!,
  );
}

function reachable(schemas: Schemas, from: readonly string[]): Set<string> {
  const found = new Set<string>();
  const visit = (name: string): void => {
    if (found.has(name)) return;
    found.add(name);
    for (const ref of refsOf(schemas[name]!)) visit(ref);
  };
  for (const name of from) visit(name);
  return found;
}

/** Components used both ways whose two faces differ, or that refer to one of these. */
function differing(
  taken: Schemas,
  given: Schemas,
  takenNames: Set<string>,
  givenNames: Set<string>,
): Set<string> {
  const both = [...takenNames].filter((name) => givenNames.has(name));
  const found = new Set(both.filter((name) => JSON.stringify(taken[name]) !== JSON.stringify(given[name])));
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const name of both) if (refsOf(taken[name]!).some((ref) => found.has(ref))) found.add(name);
  }
  return found;
}

function renameRefs(schema: JsonSchema, renamed: (name: string) => string): JsonSchema {
  const text = JSON.stringify(schema).replaceAll(
    /"\$ref":"#\/components\/schemas\/(\w+)"/g,
    (_, name: string) => `"$ref":"${refPrefix}${renamed(name)}"`,
  );
  return JSON.parse(text) as JsonSchema;
}

/** What is only given back may gain fields in a later version, so a client must not refuse those it does not know. */
function opened(schema: JsonSchema): JsonSchema {
  const { additionalProperties, ...rest } = schema;
  return additionalProperties === false ? rest : schema;
}

function describe(schema: z.ZodType): string {
  return JSON.stringify(inlineSchema(schema)).slice(0, 200);
}
