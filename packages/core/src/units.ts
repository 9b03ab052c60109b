/** Sizes and durations as people write them. Sizes are bytes, durations are milliseconds. */
import { defineErrors, error } from './errors.ts';

export const unitErrors = defineErrors('unit', {
  size: error<{ text: string }>(
    400,
    'Not a size',
    (p) => `"${p.text}" is not a size. Write a number with a unit: 512MiB, 1.5GiB, 20GB.`,
  ),
  duration: error<{ text: string }>(
    400,
    'Not a duration',
    (p) => `"${p.text}" is not a duration. Write a number with a unit: 500ms, 30s, 15m, 2h, 7d.`,
  ),
});

const sizeUnits: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  K: 2 ** 10,
  KIB: 2 ** 10,
  KB: 1e3,
  M: 2 ** 20,
  MIB: 2 ** 20,
  MB: 1e6,
  G: 2 ** 30,
  GIB: 2 ** 30,
  GB: 1e9,
  T: 2 ** 40,
  TIB: 2 ** 40,
  TB: 1e12,
};

const durationUnits: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1e3,
  m: 60e3,
  h: 3600e3,
  d: 86_400e3,
};

/** @throws unit.size */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const unit = match && sizeUnits[match[2]!.toUpperCase()];
  const bytes = match && unit !== undefined && unit !== null ? Number(match[1]) * unit : Number.NaN;
  if (!Number.isSafeInteger(Math.round(bytes)) || Math.abs(bytes - Math.round(bytes)) > 0.5) {
    throw unitErrors.size({ text });
  }
  return Math.round(bytes);
}

/** Binary units with at most one decimal: `1.5 GiB`. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let index = 0;
  while (Math.abs(value) >= 1024 && index < units.length - 1) {
    value /= 1024;
    index += 1;
  }
  const rounded = Math.round(value * 10) / 10;
  return `${Number.isInteger(rounded) ? rounded : rounded.toFixed(1)} ${units[index]}`;
}

/** @throws unit.duration */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim());
  const ms = match ? Math.round(Number(match[1]) * durationUnits[match[2]!]!) : Number.NaN;
  if (!Number.isSafeInteger(ms)) throw unitErrors.duration({ text });
  return ms;
}

/** The largest unit that fits, with at most one decimal: `1.5 h`. */
export function formatDuration(ms: number): string {
  const unit = Object.entries(durationUnits).findLast(([, size]) => ms >= size) ?? ['ms', 1];
  return `${Math.round((ms / unit[1]) * 10) / 10} ${unit[0]}`;
}
