/** Words of options that several commands on backups and reference points have. */
import { Option } from '@commander-js/extra-typings';
import { parseDuration, parseSize } from '@corral/core/units';

export const consistencies = ['application', 'filesystem', 'crash'] as const;

export function consistencyOption() {
  return new Option(
    '--consistency <consistency>',
    'at least this, or it fails; crash: the guest is not frozen; default: as much as can be had',
  ).choices(consistencies);
}

export const freezeLimit = [
  '--freeze-limit <duration>',
  'after which the guest is thawed, whatever happens; default: 10s',
  (text: string): number => parseDuration(text),
] as const;

export const bandwidth = [
  '--bandwidth <size>',
  'read at most so much per second, such as 50MiB; default: no limit',
  (text: string): number => parseSize(text),
] as const;

export const inRepository = [
  '--repository <repository>',
  'only there; default: every repository that the host is connected to',
] as const;
