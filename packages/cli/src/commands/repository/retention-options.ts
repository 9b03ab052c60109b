/** `--keep-last 3 --keep-daily 7 ...`: how many backups of each VM stay. */
import type { Command, OptionValues } from '@commander-js/extra-typings';
import type { RetentionRules } from '@corral/api/schemas/repository';
import { wholeNumber } from '../../parse/numbers.ts';

function keep<const Flag extends string>(flag: Flag, help: string) {
  return [flag, help, wholeNumber('a number of backups', 1, 100_000)] as const;
}

export function withKeepOptions<Arguments extends unknown[], Options extends OptionValues>(
  command: Command<Arguments, Options>,
) {
  return command
    .option(...keep('--keep-last <count>', 'keep the newest ones'))
    .option(...keep('--keep-hourly <count>', 'keep the last of each of so many hours'))
    .option(...keep('--keep-daily <count>', 'keep the last of each of so many days'))
    .option(...keep('--keep-weekly <count>', 'keep the last of each of so many weeks'))
    .option(...keep('--keep-monthly <count>', 'keep the last of each of so many months'))
    .option(...keep('--keep-yearly <count>', 'keep the last of each of so many years'));
}

export interface KeepChoice {
  readonly keepLast?: number | undefined;
  readonly keepHourly?: number | undefined;
  readonly keepDaily?: number | undefined;
  readonly keepWeekly?: number | undefined;
  readonly keepMonthly?: number | undefined;
  readonly keepYearly?: number | undefined;
}

/** Undefined: no rule was given. */
export function rulesOf(choice: KeepChoice): RetentionRules | undefined {
  const rules = {
    ...(choice.keepLast !== undefined && { last: choice.keepLast }),
    ...(choice.keepHourly !== undefined && { hourly: choice.keepHourly }),
    ...(choice.keepDaily !== undefined && { daily: choice.keepDaily }),
    ...(choice.keepWeekly !== undefined && { weekly: choice.keepWeekly }),
    ...(choice.keepMonthly !== undefined && { monthly: choice.keepMonthly }),
    ...(choice.keepYearly !== undefined && { yearly: choice.keepYearly }),
  };
  return Object.keys(rules).length > 0 ? rules : undefined;
}
