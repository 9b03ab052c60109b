/** An operation under way in one line. Pure. */
import type { Operation } from '@corral/api/schemas/operation';
import { formatSize } from '@corral/core/units';

/** `Create VM web1: copy the image, 45 % (460.8 MiB of 1 GiB)` */
export function progressText(operation: Operation): string {
  const doing = [stateText(operation), activity(operation)].filter((text) => text !== '').join(': ');
  return doing === '' ? operation.name : `${operation.name}: ${doing}`;
}

/** Changes when there is something new to print on a line of its own: another step, or a tenth more of it. */
export function progressKey(operation: Operation): string {
  const share = shareDone(operation);
  const tenth = share === null ? '' : Math.floor(share * 10);
  return [operation.state, currentStep(operation), operation.progress?.message ?? '', tenth].join('\n');
}

function stateText({ state }: Operation): string {
  switch (state) {
    case 'pending':
      return 'waits for its turn';
    case 'cancelling':
      return 'being cancelled';
    case 'undoing':
      return 'being undone';
    case 'stuck':
      return 'stuck';
    default:
      return '';
  }
}

function activity(operation: Operation): string {
  const { progress } = operation;
  const share = shareDone(operation);
  const message = progress?.message || currentStep(operation).replaceAll('-', ' ');
  if (progress === null || share === null) return message;
  const percent = `${Math.floor(share * 100)} %`;
  const amount =
    progress.unit === 'bytes' ? ` (${formatSize(progress.done)} of ${formatSize(progress.total ?? 0)})` : '';
  return message === '' ? `${percent}${amount}` : `${message}, ${percent}${amount}`;
}

/** 0 to 1, or null where nobody knows the end. */
function shareDone({ progress }: Operation): number | null {
  if (!progress?.total) return null;
  return Math.min(1, Math.max(0, progress.done / progress.total));
}

function currentStep({ steps }: Operation): string {
  return steps.find(({ state }) => state === 'running' || state === 'undoing')?.name ?? '';
}
