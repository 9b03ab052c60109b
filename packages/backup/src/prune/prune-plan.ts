/** Which packs go: a pure decision over figures. */
export interface PackUse {
  readonly hash: string;
  readonly sizeBytes: number;
  /** Stored bytes of its live blobs. */
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
  /** Copies at most so many bytes in one run. */
  readonly copyLimitBytes: number;
}

export const defaultLimits: PruneLimits = { repackBelow: 0.5, copyLimitBytes: 64 * 2 ** 30 };

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
  const thinnestFirst = packs.toSorted((a, b) => share(a) - share(b) || (a.hash < b.hash ? -1 : 1));
  for (const pack of thinnestFirst) {
    if (pack.isDoomed) continue;
    if (!pack.isListed) {
      if (pack.hasWriterEnded) doom.push(pack.hash);
    } else if (pack.liveBytes === 0) doom.push(pack.hash);
    else if (share(pack) < limits.repackBelow && pack.liveBytes <= budget) {
      budget -= pack.liveBytes;
      doom.push(pack.hash);
      copy.push(pack.hash);
    }
  }
  return { doom, copy };
}

function share(pack: PackUse): number {
  return pack.liveBytes / Math.max(1, pack.sizeBytes);
}
