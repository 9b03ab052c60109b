/** Which packs go: a pure decision over figures. */
export interface PackUse {
  readonly hash: string;
  /** Stored bytes of all blobs that the index knows in it, and of the live ones. */
  readonly listedBytes: number;
  readonly liveBytes: number;
  readonly isDoomed: boolean;
  /** False: no segment names it. */
  readonly isListed: boolean;
  /** For packs that no segment names: whether the session that wrote it has ended. */
  readonly hasWriterEnded: boolean;
}

export interface PruneLimits {
  /** A pack is copied together if less than this part of it is live. */
  readonly repackBelow: number;
  /** Packs with less in them than this are small; more than so many small ones are copied together. */
  readonly smallBytes: number;
  readonly smallPacks: number;
  /** Copies at most so many bytes in one run. */
  readonly copyLimitBytes: number;
}

export const defaultLimits: PruneLimits = {
  repackBelow: 0.5,
  smallBytes: 2 ** 20,
  smallPacks: 256,
  copyLimitBytes: 64 * 2 ** 30,
};

export interface PrunePlan {
  /** Hashes of the packs to doom. */
  readonly doom: readonly string[];
  /** Those among them whose live blobs must be copied first. */
  readonly copy: readonly string[];
}

export function planPrune(packs: readonly PackUse[], limits: PruneLimits = defaultLimits): PrunePlan {
  const doom: string[] = [];
  const copy: string[] = [];
  let budget = limits.copyLimitBytes;
  const small = packs.filter(
    (pack) => !pack.isDoomed && pack.isListed && pack.listedBytes < limits.smallBytes,
  );
  const isCrowded = small.length > limits.smallPacks;
  const isWorthCopying = (pack: PackUse): boolean =>
    share(pack) < limits.repackBelow || (isCrowded && pack.listedBytes < limits.smallBytes);
  const thinnestFirst = packs.toSorted((a, b) => share(a) - share(b) || (a.hash < b.hash ? -1 : 1));
  for (const pack of thinnestFirst) {
    if (pack.isDoomed) continue;
    if (!pack.isListed) {
      if (pack.hasWriterEnded) doom.push(pack.hash);
    } else if (pack.liveBytes === 0) doom.push(pack.hash);
    else if (isWorthCopying(pack) && pack.liveBytes <= budget) {
      budget -= pack.liveBytes;
      doom.push(pack.hash);
      copy.push(pack.hash);
    }
  }
  return { doom, copy };
}

function share(pack: PackUse): number {
  return pack.liveBytes / Math.max(1, pack.listedBytes);
}
