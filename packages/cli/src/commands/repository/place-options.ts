/** `--path`, `--s3`, `--azure` and what opens them: from files and the environment, never from the command line. */
import type { Command, OptionValues } from '@commander-js/extra-typings';
import type { RepositoryPlace, RepositorySecret, StoreCredentials } from '@corral/api/schemas/repository';
import type { Context } from '../../context.ts';
import { cliErrors } from '../../errors.ts';
import { readTextFile } from '../../files.ts';
import type { Io } from '../../io.ts';
import { hostPath } from '../../parse/host-path.ts';

/** Where a repository lies and what opens it. */
export function withPlaceOptions<Arguments extends unknown[], Options extends OptionValues>(
  command: Command<Arguments, Options>,
) {
  return withSecretOptions(
    command
      .option('--path <directory>', 'a directory of the host, also on NFS')
      .option(
        '--s3 <url>',
        's3://bucket/prefix, or https://server/bucket/prefix; keys from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
      )
      .option(
        '--azure <url>',
        'https://account.blob.core.windows.net/container/prefix; key from AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN',
      )
      .option(
        '--store-locks',
        "put locked backups under the store's own immutability (S3 Object Lock, Azure)",
      ),
  );
}

/** What opens a repository. */
export function withSecretOptions<Arguments extends unknown[], Options extends OptionValues>(
  command: Command<Arguments, Options>,
) {
  return command
    .option('--passphrase-file <file>', 'its first line is the passphrase; - is standard input')
    .option('--key-file <file>', 'a file of at least 32 random bytes');
}

const see = 'corral repository --help';

interface PlaceChoice {
  readonly path?: string | undefined;
  readonly s3?: string | undefined;
  readonly azure?: string | undefined;
  readonly storeLocks?: true | undefined;
}

/**
 * What the API asks of whoever makes or connects a repository.
 *
 * @throws cli.usage unless exactly one place and at most one secret is given; cli.file
 */
export async function openingOf(context: Context, choice: PlaceChoice & SecretChoice) {
  const place = placeOf(context, choice);
  const secret = await secretOf(context.io, choice);
  const credentials = storeCredentialsOf(choice, context.io);
  return { place, ...(secret && { secret }), ...(credentials && { credentials }) };
}

/** @throws cli.usage unless exactly one is given */
function placeOf(context: Context, { path, s3, azure, storeLocks: isLocked }: PlaceChoice): RepositoryPlace {
  const storeLocks = isLocked === true;
  const given = [path, s3, azure].filter((value) => value !== undefined);
  if (given.length !== 1) {
    throw cliErrors.usage({
      message: 'Say where the repository lies, with one of --path, --s3 and --azure.',
      see,
    });
  }
  const { env } = context.io;
  if (s3 !== undefined) {
    const region = env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'];
    return { kind: 's3', url: s3, storeLocks, ...(region !== undefined && { region }) };
  }
  if (azure !== undefined) return { kind: 'azure', url: azure.split('?')[0]!, storeLocks };
  const isLocal = context.endpoint.kind === 'socket';
  return { kind: 'directory', path: hostPath(path!, isLocal, context.io.currentDirectory) };
}

/** What the environment of `corral` gives for the store; undefined: the daemon uses its own. */
function storeCredentialsOf({ s3, azure }: PlaceChoice, { env }: Io): StoreCredentials | undefined {
  if (s3 !== undefined) return s3Credentials(env);
  if (azure === undefined) return undefined;
  const signature =
    new URLSearchParams(azure.split('?')[1] ?? '').toString() || env['AZURE_STORAGE_SAS_TOKEN'];
  const accountKey = env['AZURE_STORAGE_KEY'];
  if (signature) return { sharedAccessSignature: signature };
  return accountKey ? { accountKey } : undefined;
}

function s3Credentials(env: Io['env']): StoreCredentials | undefined {
  const accessKeyId = env['AWS_ACCESS_KEY_ID'];
  const secretAccessKey = env['AWS_SECRET_ACCESS_KEY'];
  const sessionToken = env['AWS_SESSION_TOKEN'];
  if (!accessKeyId || !secretAccessKey) return undefined;
  return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
}

interface SecretChoice {
  readonly passphraseFile?: string | undefined;
  readonly keyFile?: string | undefined;
}

const mostSecretBytes = 49_152;

/** @throws cli.usage for both; cli.file */
async function secretOf(
  io: Io,
  { passphraseFile, keyFile }: SecretChoice,
): Promise<RepositorySecret | undefined> {
  if (passphraseFile !== undefined && keyFile !== undefined) {
    throw cliErrors.usage({ message: 'Give a passphrase or a key file, not both.', see });
  }
  if (passphraseFile !== undefined) {
    const text = await readTextFile(io, passphraseFile, mostSecretBytes);
    return { passphrase: text.split(/\r?\n/)[0]! };
  }
  if (keyFile === undefined) return undefined;
  const { readBinaryFile } = await import('../../files.ts');
  return { keyFile: (await readBinaryFile(io, keyFile, mostSecretBytes)).toString('base64') };
}

/** @throws cli.usage unless one is given */
export async function requiredSecretOf(io: Io, choice: SecretChoice): Promise<RepositorySecret> {
  const secret = await secretOf(io, choice);
  if (secret) return secret;
  throw cliErrors.usage({ message: 'Give the new secret with --passphrase-file or --key-file.', see });
}
