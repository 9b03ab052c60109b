/** `--network`:  user | bridge:NAME, with `,model=virtio|e1000` and `,name=PORT`. */
import type { PortSource } from '@corral/api/schemas/vm';
import { cliErrors } from '../errors.ts';
import { parseFields } from './fields.ts';

const what = 'a network';
const expected =
  'Write "user" (needs no privilege, the guest reaches out through the host) or "bridge:NAME" (a bridge of the host), and behind it ,model=virtio|e1000 ,name=PORT if wanted.';

/** A bridge's name is an interface's: at most 15 characters (IFNAMSIZ less its end). */
const networkPattern = /^(user|bridge:[A-Za-z0-9][A-Za-z0-9._-]{0,14})$/;
const portNamePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$/;

/** @throws cli.value */
export function parsePortSource(text: string): PortSource {
  const refuse = (): never => {
    throw cliErrors.value({ what, text, expected });
  };
  const { head, options } = parseFields(text, what, ['model', 'name'], expected);
  if (!networkPattern.test(head)) refuse();
  const model = options.get('model');
  if (model !== undefined && model !== 'virtio' && model !== 'e1000') refuse();
  const name = options.get('name');
  if (name !== undefined && !portNamePattern.test(name)) refuse();
  return {
    network: head,
    ...(model !== undefined && { model: model as 'virtio' | 'e1000' }),
    ...(name !== undefined && { name }),
  };
}

export type NetworkChoice = PortSource | 'none';

/** `none` as well: a VM without any port. @throws cli.value */
export function parseNetworkChoice(text: string): NetworkChoice {
  return text === 'none' ? 'none' : parsePortSource(text);
}
