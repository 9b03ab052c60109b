/** Options that every command takes, before or behind its name. */
import { Option } from 'commander';

export const outputFormats = ['table', 'json'] as const;
export type OutputFormat = (typeof outputFormats)[number];

export interface GlobalOptions {
  readonly socket?: string;
  readonly endpoint?: string;
  readonly token?: string;
  readonly ca?: string;
  readonly output: OutputFormat;
}

/** Environment variables that stand for an option that is not given. */
export const environmentVariables = {
  CORRAL_SOCKET: 'like --socket',
  CORRAL_ENDPOINT: 'like --endpoint',
  CORRAL_TOKEN: 'like --token, but no process list shows it',
  CORRAL_CA: 'like --ca',
  NO_COLOR: 'no colour, if it is not empty',
} as const;

export function globalOptions(): Option[] {
  return [
    new Option('--socket <file>', "the daemon's Unix socket: as administrator of this host"),
    new Option('--endpoint <url>', 'a daemon over TLS, https://HOST:PORT, with a token'),
    new Option(
      '--token <token>',
      'token for --endpoint; better in CORRAL_TOKEN, which no process list shows',
    ),
    new Option('--ca <file>', "certificates (PEM) to trust instead of the system's"),
    new Option('-o, --output <format>', 'for people, or for programs: the objects of the API')
      .choices(outputFormats)
      .default('table'),
  ];
}
