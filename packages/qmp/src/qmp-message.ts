/** What the monitor says, told apart: pure, and wary of every member. */
import type { CorralError } from '@corral/core/errors';
import type { VersionInfo } from './commands/machine.ts';
import { qmpErrors } from './errors.ts';
import type { QmpEvent } from './qmp-events.ts';

export interface QmpFailure {
  readonly class: string;
  readonly desc: string;
}

export type QmpMessage =
  | { readonly kind: 'greeting'; readonly version: VersionInfo; readonly outOfBand: boolean }
  | { readonly kind: 'return'; readonly id: unknown; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: unknown; readonly failure: QmpFailure }
  | { readonly kind: 'event'; readonly event: QmpEvent }
  | { readonly kind: 'unknown' };

export function parseMessage(message: unknown): QmpMessage {
  if (!isRecord(message)) return { kind: 'unknown' };
  if ('QMP' in message) return parseGreeting(message['QMP']);
  if ('return' in message) return { kind: 'return', id: message['id'], value: message['return'] };
  if ('error' in message) {
    const error = isRecord(message['error']) ? message['error'] : {};
    const failure = {
      class: text(error['class'], 'GenericError'),
      desc: text(error['desc'], 'no reason given'),
    };
    return { kind: 'error', id: message['id'], failure };
  }
  if (typeof message['event'] === 'string') {
    const event = {
      name: message['event'],
      data: isRecord(message['data']) ? message['data'] : {},
      timestampMs: parseTimestamp(message['timestamp']),
    };
    // The names and shapes are QEMU's schema; QEMU is trusted to keep them, a stranger's event is as good as unknown.
    return { kind: 'event', event: event as QmpEvent };
  }
  return { kind: 'unknown' };
}

/** The registry's error for what QEMU refused. */
export function refusal(peer: string, command: string, failure: QmpFailure): CorralError {
  const { desc } = failure;
  switch (failure.class) {
    case 'CommandNotFound':
      return qmpErrors['command-missing']({ peer, command, desc });
    case 'DeviceNotFound':
      return qmpErrors['device-not-found']({ peer, command, desc });
    case 'DeviceNotActive':
      return qmpErrors['device-not-active']({ peer, command, desc });
    default:
      return qmpErrors['command-failed']({ peer, command, class: failure.class, desc });
  }
}

function parseGreeting(greeting: unknown): QmpMessage {
  const version = isRecord(greeting) ? greeting['version'] : undefined;
  const qemu = isRecord(version) ? version['qemu'] : undefined;
  if (!isRecord(greeting) || !isRecord(version) || !isRecord(qemu)) return { kind: 'unknown' };
  const { major, minor, micro } = qemu;
  if (typeof major !== 'number' || typeof minor !== 'number' || typeof micro !== 'number') {
    return { kind: 'unknown' };
  }
  const capabilities = greeting['capabilities'];
  return {
    kind: 'greeting',
    version: { qemu: { major, minor, micro }, package: text(version['package'], '') },
    outOfBand: Array.isArray(capabilities) && capabilities.includes('oob'),
  };
}

/** QEMU sends -1 for both parts when its clock failed. */
function parseTimestamp(timestamp: unknown): number {
  const { seconds, microseconds } = isRecord(timestamp) ? timestamp : {};
  if (typeof seconds !== 'number' || typeof microseconds !== 'number' || seconds < 0) return Date.now();
  return seconds * 1000 + microseconds / 1000;
}

function text(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
