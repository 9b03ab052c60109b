/** What `npm start` prints when everything stands. */
import { projectRoot } from '../node-path.mjs';

/**
 * @typedef {object} Vm
 * @property {string} name
 * @property {string} state
 */

/**
 * @param {import('./corral.mjs').Corral} corral
 * @param {string} dataDirectory
 * @param {readonly string[]} endpoints lines that corrald printed
 * @returns {Promise<string>}
 */
export async function summary(corral, dataDirectory, endpoints) {
  /** @type {{ items: readonly Vm[] }} */
  const { items } = await corral.ask('vm', 'list');
  const name = (items.find((vm) => vm.name === 'hello') ?? items[0])?.name ?? 'hello';
  // The command line looks there by itself.
  const isDefault = corral.socket === `${projectRoot}/data/corrald.sock`;
  const call = isDefault ? 'bin/corral' : `bin/corral --socket ${corral.socket}`;
  const [first, ...others] = endpoints.filter((line) => !line.startsWith('corrald ready'));
  return [
    '',
    `Machines  ${items.map((vm) => `${vm.name} (${vm.state})`).join(', ') || 'none'}`,
    `API       ${(first ?? corral.socket).trim()}`,
    ...others.map((line) => `          ${line.trim()}`),
    `Data      ${dataDirectory}`,
    '',
    'Try next:',
    `  ${call} vm exec ${name} -- uname -a`,
    `  ${call} vm console ${name}`,
    `  ${call} host doctor`,
    '',
  ].join('\n');
}
