/** `check`: one file, by its own format's rules, and whether its chain holds. */
import { isCorralError } from '@corral/core/errors';
import { walkChain } from '../chain.ts';
import type { CheckOptions, CheckReport } from '../disk.ts';
import { driverOf, probeFormat } from '../drivers.ts';
import { requireNotInUse } from '../in-use.ts';
import type { ChainOf } from './inspect-disk.ts';

export interface CheckDiskOptions extends CheckOptions, ChainOf {}

export interface CheckDiskReport extends CheckReport {
  /** Why the file's parents cannot be opened; absent if they can, or there are none. */
  readonly chainProblem?: { readonly code: string; readonly message: string };
}

/** Checks, and with `repair` repairs, the file itself; parents are opened, but not checked. @throws disk.in-use for a repair */
export async function checkDisk(path: string, options: CheckDiskOptions = {}): Promise<CheckDiskReport> {
  if (options.repair) await requireNotInUse(path);
  const format = options.format ?? (await probeFormat(path, options));
  const report = await driverOf(format).check(path, options);
  const chainProblem = await chainProblemOf(path, { ...options, format });
  return chainProblem ? { ...report, ok: false, chainProblem } : report;
}

async function chainProblemOf(path: string, options: ChainOf) {
  try {
    for await (const { disk } of walkChain(path, { ...options, readOnly: true })) await disk.close();
    return undefined;
  } catch (cause) {
    if (!isCorralError(cause)) throw cause;
    return { code: cause.code, message: cause.message };
  }
}
