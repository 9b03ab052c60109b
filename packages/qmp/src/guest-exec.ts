/** Runs a program in the guest to its end. The agent offers no event for that, so its state is asked for. */
import { delay } from '@corral/core/abort';
import type { AgentCallOptions, AgentChannel } from './agent-channel.ts';
import { type ExecStatus, execShape, execStatusShape } from './agent-shapes.ts';
import { agentErrors } from './errors.ts';

const EXEC_LIMIT_MS = 60_000;
const FIRST_PAUSE_MS = 10;
const LAST_PAUSE_MS = 500;
/** The question at the very end of the limit still gets this long. */
const LAST_QUESTION_MS = 1000;
/** The agent itself keeps no more of each stream (GUEST_EXEC_MAX_OUTPUT in QEMU's qga/commands.c). */
const OUTPUT_BYTES = 16 * 2 ** 20;
/** Below the 64 MiB at which the agent's JSON reader gives up, after Base64. */
const INPUT_BYTES = 32 * 2 ** 20;

export interface GuestProgram {
  /** Looked up in the agent's PATH if it has no slash. */
  readonly path: string;
  readonly args?: readonly string[];
  /** The whole environment; the agent's own if absent. */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: Uint8Array;
  /** Of each stream; more is agent.answer-too-large. 16 MiB unless told, and at most. */
  readonly maxOutputBytes?: number;
}

export interface GuestProgramResult {
  /** Undefined if a signal ended it. */
  readonly exitCode: number | undefined;
  readonly signal: number | undefined;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  /** The agent had more than it keeps. */
  readonly stdoutTruncated: boolean;
  readonly stderrTruncated: boolean;
}

/**
 * Aborting or reaching the limit (60 s unless told) ends the waiting, not the program.
 *
 * @throws agent.exec-unfinished, agent.input-too-large; as `AgentChannel.call`.
 */
export async function execInGuest(
  channel: AgentChannel,
  program: GuestProgram,
  options: AgentCallOptions = {},
): Promise<GuestProgramResult> {
  const limitMs = options.limitMs ?? EXEC_LIMIT_MS;
  const { guest } = channel;
  const end = performance.now() + limitMs;
  const question = (): AgentCallOptions => ({
    signal: options.signal,
    limitMs: Math.max(LAST_QUESTION_MS, Math.ceil(end - performance.now())),
  });
  const { pid } = await channel.call('guest-exec', startArguments(guest, program), execShape, question());
  const outputBytes = Math.min(program.maxOutputBytes ?? OUTPUT_BYTES, OUTPUT_BYTES);
  const answerBytes = 2 * base64Length(outputBytes) + 1024;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 1.5, LAST_PAUSE_MS)) {
    const sized = { ...question(), answerBytes };
    const status = await channel.call('guest-exec-status', { pid }, execStatusShape, sized);
    if (status.exited) return result(status);
    const leftMs = end - performance.now();
    if (leftMs <= 0) throw agentErrors['exec-unfinished']({ guest, program: program.path, pid, limitMs });
    await delay(Math.min(pauseMs, leftMs), options.signal);
  }
}

function result(status: ExecStatus): GuestProgramResult {
  return {
    exitCode: status.exitcode,
    signal: status.signal,
    stdout: status['out-data'] ?? Buffer.alloc(0),
    stderr: status['err-data'] ?? Buffer.alloc(0),
    stdoutTruncated: status['out-truncated'] ?? false,
    stderrTruncated: status['err-truncated'] ?? false,
  };
}

function startArguments(guest: string, program: GuestProgram): Record<string, unknown> {
  const { path, args, env, input } = program;
  if (input && input.length > INPUT_BYTES) {
    throw agentErrors['input-too-large']({ guest, command: 'guest-exec', limitBytes: INPUT_BYTES });
  }
  return {
    path,
    ...(args ? { arg: args } : {}),
    ...(env ? { env: Object.entries(env).map(([key, value]) => `${key}=${value}`) } : {}),
    ...(input ? { 'input-data': Buffer.from(input).toString('base64') } : {}),
    'capture-output': true,
  };
}

function base64Length(bytes: number): number {
  return Math.ceil(bytes / 3) * 4;
}
