/** How single values look to people. */
import { formatSize } from '@corral/core/units';

/** Local time to the second, as in `2025-03-01 14:05:09`. What is no time stays as it is. */
export function formatTime(timestamp: string): string {
  const time = new Date(timestamp);
  if (Number.isNaN(time.getTime())) return timestamp;
  const two = (value: number): string => String(value).padStart(2, '0');
  const date = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${date} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

export function formatOptionalTime(timestamp: string | null): string {
  return timestamp === null ? '-' : formatTime(timestamp);
}

/** Largest unit and the one below: `3 d 4 h`. Rounds down. */
export function formatElapsed(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const units: readonly (readonly [string, number])[] = [
    ['d', Math.floor(seconds / 86_400)],
    ['h', Math.floor(seconds / 3600) % 24],
    ['min', Math.floor(seconds / 60) % 60],
    ['s', seconds % 60],
  ];
  const first = units.findIndex(([, value]) => value > 0);
  if (first === -1) return '0 s';
  return units
    .slice(first, first + 2)
    .filter(([, value], index) => index === 0 || value > 0)
    .map(([unit, value]) => `${value} ${unit}`)
    .join(' ');
}

export function formatYesNo(value: boolean): string {
  return value ? 'yes' : 'no';
}

/** `1.2 GiB of 4 GiB`, or only what is known. */
export function formatShare(done: number, total: number | null): string {
  return total === null ? formatSize(done) : `${formatSize(done)} of ${formatSize(total)}`;
}
