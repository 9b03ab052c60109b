/**
 * Exit codes of `corral`, decided here and nowhere else. `docs/cli.md` prints this table.
 *
 * `corral vm exec` ends with the exit code of the guest's program instead; when it could not be run, with one of these.
 */

export interface ExitCode {
  readonly code: number;
  /** When `corral` ends with it, for people. */
  readonly meaning: string;
}

export const exitCodes = {
  ok: { code: 0, meaning: 'Done.' },
  failed: { code: 1, meaning: 'It failed, and none of the codes below says it better.' },
  usage: { code: 2, meaning: 'The command line or a value in it is wrong; nothing was done.' },
  notFound: { code: 3, meaning: 'What was named does not exist.' },
  refused: {
    code: 4,
    meaning: 'Refused as things stand: not legal in this state, exists already, in use, changed meanwhile.',
  },
  forbidden: { code: 5, meaning: 'No valid token, or its role does not allow this.' },
  unreachable: {
    code: 6,
    meaning: 'The daemon does not answer. An operation that was begun goes on when it is back.',
  },
  timeout: { code: 7, meaning: 'A time limit passed.' },
  cancelled: { code: 8, meaning: 'The operation that was waited for was cancelled and undone.' },
  interrupted: {
    code: 130,
    meaning: 'Interrupted by Ctrl-C; an operation that was waited for goes on in the daemon.',
  },
  outputClosed: { code: 141, meaning: 'The reader of the output went away, as `head` does.' },
  terminated: {
    code: 143,
    meaning: 'Ended by a signal; an operation that was waited for goes on in the daemon.',
  },
} as const satisfies Record<string, ExitCode>;

export type ExitName = keyof typeof exitCodes;

/** What an error carries that decides: the code of the registry first, then the status. */
export interface JudgedError {
  readonly code: string | null;
  readonly status: number;
}

const byCode: Readonly<Record<string, ExitName>> = {
  'cli.interrupted': 'interrupted',
  'cli.terminated': 'terminated',
  'cli.output-closed': 'outputClosed',
  'cli.lost-daemon': 'unreachable',
  'client.no-daemon': 'unreachable',
  'client.unreachable': 'unreachable',
  'api.stopping': 'unreachable',
  'cli.cancelled': 'cancelled',
  'operation.cancelled': 'cancelled',
  'core.timeout': 'timeout',
  'volume.below-reserve': 'refused',
};

const byStatus: Readonly<Record<number, ExitName>> = {
  400: 'usage',
  401: 'forbidden',
  403: 'forbidden',
  404: 'notFound',
  408: 'timeout',
  409: 'refused',
  412: 'refused',
  423: 'refused',
  428: 'refused',
  504: 'timeout',
};

export function exitCodeOf(error: JudgedError): number {
  const name = (error.code === null ? undefined : byCode[error.code]) ?? byStatus[error.status] ?? 'failed';
  return exitCodes[name].code;
}

/**
 * Of a program in the guest. POSIX shells say 128 + n for one that signal n ended. Windows has codes of 32 bits, whose
 * lowest byte, all that a process can hand on here, may be 0 although it failed.
 */
export function exitCodeOfGuest(result: {
  readonly exitCode: number | null;
  readonly signal: number | null;
}): number {
  if (result.exitCode === null) return 128 + (result.signal ?? 0);
  return result.exitCode >= 0 && result.exitCode <= 255 ? result.exitCode : exitCodes.failed.code;
}
