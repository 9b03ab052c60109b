/** Events for people: one line each, oldest first. */
import type { Event, EventSeverity } from '@corral/api/schemas/event';
import type { Paint, Tone } from '../render/paint.ts';
import { printable } from '../render/printable.ts';
import { formatTime } from '../render/values.ts';

const tones: Readonly<Record<EventSeverity, Tone | undefined>> = {
  info: undefined,
  warning: 'warn',
  error: 'bad',
};

export function eventLine(event: Event, paint: Paint): string {
  const severity = paint(event.severity.padEnd(7), tones[event.severity]);
  return `${formatTime(event.createdAt)}  ${severity}  ${printable(event.type)}  ${printable(event.message)}\n`;
}
