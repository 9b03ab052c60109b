/** KVM if a trial run proved it faster, else TCG; the proof is kept until the kernel, the processor or QEMU change. */
import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { cpus, release } from 'node:os';
import { z } from 'zod';
import { writeWhole } from '../storage/whole-files.ts';
import { raceAccelerators, type TrialGuest } from './accelerator-race.ts';
import { type AcceleratorVerdict, judgeRace } from './judge-race.ts';

export interface ChooseAcceleratorOptions {
  readonly qemu: string;
  readonly qemuVersion: string;
  /** Null if there is nothing to boot yet: then KVM stays unproved, and nothing is stored. */
  readonly guest: TrialGuest | null;
  /** File that keeps the verdict. */
  readonly storedAt: string;
  readonly signal?: AbortSignal | undefined;
  readonly kvmDevice?: string;
}

const Stored = z.strictObject({
  version: z.literal(1),
  kernel: z.string(),
  processor: z.string(),
  qemu: z.string(),
  kind: z.enum(['kvm', 'tcg']),
  ratio: z.number().nullable(),
  reason: z.string(),
});
type Stored = z.infer<typeof Stored>;
type Key = Pick<Stored, 'kernel' | 'processor' | 'qemu'>;

function keyOf(qemuVersion: string): Key {
  return { kernel: release(), processor: cpus()[0]?.model ?? 'unknown', qemu: qemuVersion };
}

async function readStored(path: string, key: Key): Promise<AcceleratorVerdict | undefined> {
  try {
    const { kind, ratio, reason, ...stored } = Stored.parse(JSON.parse(await readFile(path, 'utf8')));
    const fits =
      stored.kernel === key.kernel && stored.processor === key.processor && stored.qemu === key.qemu;
    return fits ? { kind, ratio, reason } : undefined;
  } catch (cause) {
    // Not there, cut off, or of another version: the trial is simply run again.
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (cause instanceof SyntaxError || cause instanceof z.ZodError) return undefined;
    throw cause;
  }
}

async function store(path: string, key: Key, verdict: AcceleratorVerdict): Promise<void> {
  const stored: Stored = { version: 1, ...key, ...verdict };
  await writeWhole(path, `${JSON.stringify(stored, null, 2)}\n`, 0o644);
}

/** Undefined if this process may use it. */
async function whyNoKvm(device: string): Promise<string | undefined> {
  try {
    await access(device, constants.R_OK | constants.W_OK);
    return undefined;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      return `There is no ${device}: virtualisation is off in the firmware, or this host is a VM without nesting.`;
    }
    return `${device} cannot be opened: ${message}`;
  }
}

/** @throws the signal's reason */
export async function chooseAccelerator(options: ChooseAcceleratorOptions): Promise<AcceleratorVerdict> {
  const { qemu, qemuVersion, guest, storedAt, signal, kvmDevice = '/dev/kvm' } = options;
  const obstacle = await whyNoKvm(kvmDevice);
  if (obstacle !== undefined) return { kind: 'tcg', ratio: null, reason: obstacle };
  const key = keyOf(qemuVersion);
  const stored = await readStored(storedAt, key);
  if (stored) return stored;
  if (!guest) {
    const reason = `${kvmDevice} opens, but no guest is at hand to prove that it is faster: build the micro image.`;
    return { kind: 'tcg', ratio: null, reason };
  }
  const verdict = judgeRace(await raceAccelerators({ qemu, guest, signal }));
  await store(storedAt, key, verdict);
  return verdict;
}
