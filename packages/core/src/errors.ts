/**
 * The error registry (docs/architecture.md, "Errors are a registry").
 *
 * Each package declares the errors it raises in one table, its `errors.ts`, through `defineErrors`. A code is
 * `<prefix>.<key>` and never changes; the message names the thing and the fix. `docs/errors.md` is generated
 * from these tables.
 */

/** Values that a message is made of. They travel with the error, so that a program need not parse the message. */
export type ErrorParams = Readonly<Record<string, string | number | boolean | readonly string[] | null>>;

export interface ErrorDefinition<P extends ErrorParams = ErrorParams> {
  /** HTTP status with which the API reports it (RFC 9110 section 15). */
  readonly status: number;
  /** What kind of error this is, the same for each occurrence (RFC 9457 section 3.1.4). */
  readonly title: string;
  /** This occurrence: names the thing and the fix, in plain English. */
  readonly message: (params: P) => string;
}

/** An error that Corral expected: it has a code from the registry. */
export class CorralError extends Error {
  override readonly name = 'CorralError';
  readonly code: string;
  readonly status: number;
  readonly title: string;
  readonly params: ErrorParams;

  constructor(
    code: string,
    definition: ErrorDefinition<never>,
    params: ErrorParams,
    options?: { readonly cause?: unknown },
  ) {
    super(definition.message(params as never), options);
    this.code = code;
    this.status = definition.status;
    this.title = definition.title;
    this.params = params;
  }
}

/** Declares one error. `params` of the message are checked where it is raised. */
export function error<P extends ErrorParams = Record<string, never>>(
  status: number,
  title: string,
  message: (params: P) => string,
): ErrorDefinition<P> {
  return { status, title, message };
}

/** Without parameters `error(...)` infers `never` inside a table, and `Record<string, never>` outside of one. */
type HasParams<P> = [P] extends [never]
  ? false
  : string extends keyof P
    ? false
    : keyof P extends never
      ? false
      : true;

type ErrorFactory<D> =
  D extends ErrorDefinition<infer P>
    ? (HasParams<P> extends false
        ? (params?: Record<string, never>, options?: { readonly cause?: unknown }) => CorralError
        : (params: P, options?: { readonly cause?: unknown }) => CorralError) & { readonly code: string }
    : never;

export type ErrorFactories<T> = { readonly [K in keyof T]: ErrorFactory<T[K]> };

/** Every definition by its code, in the order of declaration. Filled when the tables' modules load. */
const registry = new Map<string, ErrorDefinition<never>>();

/**
 * Declares the errors of a package and returns a function for each: `throw diskErrors['not-found']({ path })`.
 *
 * @throws Error if a code is declared twice, which is a defect of the program.
 */
export function defineErrors<T extends Record<string, ErrorDefinition<never>>>(
  prefix: string,
  table: T,
): ErrorFactories<T> {
  const factories: Record<string, unknown> = {};
  for (const [key, definition] of Object.entries(table)) {
    const code = `${prefix}.${key}`;
    if (registry.has(code)) throw new Error(`error code declared twice: ${code}`);
    registry.set(code, definition);
    const factory = (params: ErrorParams = {}, options?: { readonly cause?: unknown }): CorralError =>
      new CorralError(code, definition, params, options);
    factories[key] = Object.assign(factory, { code });
  }
  return factories as ErrorFactories<T>;
}

/** The registry, for the generator of `docs/errors.md`, for tests, and to bring a stored error back to life. */
export function registeredErrors(): ReadonlyMap<string, ErrorDefinition<never>> {
  return registry;
}

/** Whether `value` is an error of the registry and, if a code is given, that one. */
export function isCorralError(value: unknown, code?: string): value is CorralError {
  return value instanceof CorralError && (code === undefined || value.code === code);
}
