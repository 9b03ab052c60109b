/**
 * Which points a set of rules keeps. Pure: the caller deletes the others. A point is kept if any rule keeps it; each
 * period keeps its last point, and periods without one are not counted.
 */
export interface RetentionRules {
  /** The newest ones. */
  readonly last?: number | undefined;
  readonly hourly?: number | undefined;
  readonly daily?: number | undefined;
  readonly weekly?: number | undefined;
  readonly monthly?: number | undefined;
  readonly yearly?: number | undefined;
}

export interface Retainable {
  readonly id: string;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
}

export interface RetentionDecision<T> {
  readonly keep: readonly { readonly point: T; readonly because: readonly string[] }[];
  readonly remove: readonly T[];
}

type Period = Exclude<keyof RetentionRules, 'last'>;

const periods: Readonly<Record<Period, (at: Date) => string>> = {
  hourly: (at) => at.toISOString().slice(0, 13),
  daily: (at) => at.toISOString().slice(0, 10),
  weekly: isoWeek,
  monthly: (at) => at.toISOString().slice(0, 7),
  yearly: (at) => at.toISOString().slice(0, 4),
};

/** Points of one VM. Periods are those of UTC. No rule at all keeps everything. */
export function applyRetention<T extends Retainable>(
  points: readonly T[],
  rules: RetentionRules,
): RetentionDecision<T> {
  const newestFirst = points.toSorted((a, b) => compare(b.createdAt, a.createdAt) || compare(b.id, a.id));
  const reasons = new Map<string, string[]>();
  const note = (point: T, reason: string): void => {
    reasons.set(point.id, [...(reasons.get(point.id) ?? []), reason]);
  };
  for (const point of newestFirst.slice(0, count(rules.last))) note(point, 'last');
  for (const [rule, periodOf] of Object.entries(periods) as [Period, (at: Date) => string][]) {
    const seen = new Set<string>();
    for (const point of newestFirst) {
      const period = periodOf(new Date(point.createdAt));
      if (seen.has(period)) continue;
      if (seen.size >= count(rules[rule])) break;
      seen.add(period);
      note(point, rule);
    }
  }
  const keepAll = Object.values(rules).every((value) => value === undefined);
  if (keepAll) for (const point of newestFirst) note(point, 'no rule');
  const keep = newestFirst.filter(({ id }) => reasons.has(id));
  return {
    keep: keep.map((point) => ({ point, because: reasons.get(point.id)! })),
    remove: newestFirst.filter(({ id }) => !reasons.has(id)),
  };
}

function count(value: number | undefined): number {
  return Math.max(0, Math.floor(value ?? 0));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** ISO 8601 week: the week's year is that of its Thursday. */
function isoWeek(at: Date): string {
  const thursday = new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate()));
  thursday.setUTCDate(thursday.getUTCDate() + 3 - ((thursday.getUTCDay() + 6) % 7));
  const yearStart = Date.UTC(thursday.getUTCFullYear(), 0, 1);
  const week = 1 + Math.floor((thursday.getTime() - yearStart) / (7 * 86_400e3));
  return `${thursday.getUTCFullYear()}-W${String(week).padStart(2, '0')}`;
}
