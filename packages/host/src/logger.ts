/** What this package needs of a logger: pino's shape, so that pino fits as it is. */
type LogMethod = (context: Readonly<Record<string, unknown>>, message: string) => void;

export interface Logger {
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
}
