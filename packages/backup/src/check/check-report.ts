/** What a check found. */
import type { Extent } from '../point/stream-reader.ts';

export interface Problem {
  /** The object's name. */
  readonly object: string;
  readonly kind: 'missing' | 'damaged' | 'foreign';
  readonly detail: string;
}

export interface HarmedStream {
  readonly name: string;
  readonly isDocument: boolean;
  /** The first ranges that cannot be restored, and how many bytes all of them are. */
  readonly ranges: readonly Extent[];
  readonly lostBytes: number;
}

export interface HarmedBackup {
  readonly point: string;
  readonly vm: string;
  readonly name: string;
  readonly createdAt: string;
  readonly streams: readonly HarmedStream[];
}

export interface CheckReport {
  readonly problems: readonly Problem[];
  readonly harmed: readonly HarmedBackup[];
  /** Names of points that cannot be read at all. */
  readonly unreadable: readonly string[];
  readonly points: number;
  readonly packs: number;
  readonly blobs: number;
  /** Bytes read from packs to prove them. */
  readonly provedBytes: number;
}

/** Whether everything is as it should be. Foreign files beside the repository harm nothing. */
export function isSound(report: CheckReport): boolean {
  return report.harmed.length === 0 && report.problems.every(({ kind }) => kind === 'foreign');
}
