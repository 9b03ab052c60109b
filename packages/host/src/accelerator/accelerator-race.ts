/**
 * The trial of the accelerators: KVM and TCG boot the same small guest beside each other, and who ends first wins.
 *
 * A `/dev/kvm` that opens proves nothing: where the processor's ring 0 is itself emulated, KVM ran a memory loop five
 * times slower than TCG. A race costs no more than the faster of the two takes, and a bit to learn by how much.
 */
import { spawn } from 'node:child_process';

export type Accelerator = 'kvm' | 'tcg';

export interface TrialGuest {
  readonly kernel: string;
  /** The micro image's, whose `/lib/corral/trial` works a while; without, the kernel boots until it misses its root. */
  readonly initrd: string | null;
}

/** How one run ended: after how long, or why not. */
export type TrialRun =
  | { readonly outcome: 'finished'; readonly ms: number }
  /** Stopped while it still ran: it takes more than this. */
  | { readonly outcome: 'stopped'; readonly ms: number }
  | { readonly outcome: 'failed'; readonly reason: string };

export interface RaceResult {
  readonly kvm: TrialRun;
  readonly tcg: TrialRun;
}

export interface RaceOptions {
  readonly qemu: string;
  readonly guest: TrialGuest;
  readonly signal?: AbortSignal | undefined;
  /** Neither may take longer. */
  readonly limitMs?: number;
}

/** Printed by the guest's own script, or by a kernel that got as far as looking for its root. */
const finishMarks = ['corral-trial-done', 'Kernel panic'];

/** How long the slower may run on so that the ratio becomes known. */
const graceMs = 2000;

function trialArguments(accelerator: Accelerator, { kernel, initrd }: TrialGuest): readonly string[] {
  return [
    ...['-accel', accelerator, '-machine', 'q35', '-m', '256', '-nodefaults', '-no-user-config'],
    ...['-display', 'none', '-serial', 'stdio', '-no-reboot', '-sandbox', 'on'],
    ...['-kernel', kernel, ...(initrd === null ? [] : ['-initrd', initrd])],
    ...['-append', 'console=ttyS0 quiet panic=-1 rdinit=/lib/corral/trial'],
  ];
}

async function run(accelerator: Accelerator, options: RaceOptions, stop: AbortSignal): Promise<TrialRun> {
  const begun = performance.now();
  const child = spawn(options.qemu, trialArguments(accelerator, options.guest), {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: stop,
    killSignal: 'SIGKILL',
  });
  let console = '';
  let complaint = '';
  child.stdout.setEncoding('latin1').on('data', (text: string) => {
    console += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  let failure: Error | undefined;
  child.on('error', (error) => {
    failure = error;
  });
  // Also emitted when the program could not be started.
  await new Promise((resolve) => child.once('close', resolve));
  const ms = performance.now() - begun;
  if (stop.aborted) return { outcome: 'stopped', ms };
  if (finishMarks.some((mark) => console.includes(mark))) return { outcome: 'finished', ms };
  const words = complaint.trim() || failure?.message || 'QEMU ended before the guest had finished';
  return { outcome: 'failed', reason: words.split('\n').at(-1)! };
}

/** Runs both at once. The one that ends first lets the other run on as long again, at most `graceMs`. */
export async function raceAccelerators(options: RaceOptions): Promise<RaceResult> {
  const { signal, limitMs = 60_000 } = options;
  signal?.throwIfAborted();
  const stop = new AbortController();
  const end = (): void => stop.abort();
  signal?.addEventListener('abort', end, { once: true });
  let timer = setTimeout(end, limitMs);
  const runOne = async (accelerator: Accelerator): Promise<TrialRun> => {
    const result = await run(accelerator, options, stop.signal);
    if (result.outcome === 'finished') {
      clearTimeout(timer);
      timer = setTimeout(end, Math.min(result.ms, graceMs));
    }
    return result;
  };
  try {
    const [kvm, tcg] = await Promise.all([runOne('kvm'), runOne('tcg')]);
    signal?.throwIfAborted();
    return { kvm, tcg };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', end);
  }
}
