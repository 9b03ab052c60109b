/** What can go wrong with images. */
import { defineErrors, error } from '@corral/core/errors';

export const imageErrors = defineErrors('image', {
  'not-found': error<{ image: string }>(
    404,
    'No such image',
    (p) => `There is no image "${p.image}" on this host. "corral image list" shows those that are.`,
  ),
  exists: error<{ name: string }>(
    409,
    'The name is taken',
    (p) => `An image named "${p.name}" exists already. Choose another name, or delete that image first.`,
  ),
  'in-use': error<{ image: string; vms: readonly string[] }>(
    409,
    'The image is in use',
    (p) => `Image "${p.image}" is needed by the VMs ${p.vms.join(', ')}. Delete those first.`,
  ),
  damaged: error<{ folder: string; reason: string }>(
    500,
    'The image is damaged',
    (p) => `The image in ${p.folder} cannot be used: ${p.reason}. Delete it, and build or import it again.`,
  ),
  'bad-source': error<{ path: string; reason: string }>(
    400,
    'The file cannot be imported',
    (p) => `${p.path} cannot be imported: ${p.reason}.`,
  ),
  'command-failed': error<{ command: string; output: string }>(
    500,
    'A program failed',
    (p) => `"${p.command}" failed: ${p.output}`,
  ),
  'command-missing': error<{ program: string }>(
    500,
    'A program is missing',
    (p) =>
      `${p.program} is not installed. "npm start" installs what Corral needs; on other systems than Debian install it by hand.`,
  ),
  'packages-unavailable': error<{ packages: readonly string[]; output: string }>(
    503,
    'Debian packages cannot be had',
    (p) =>
      `The Debian packages ${p.packages.join(', ')} cannot be downloaded: ${p.output} ` +
      'Check the network and the sources of apt, run "apt-get update" as root, and try again.',
  ),
  'packages-incomplete': error<{ folder: string; missing: string }>(
    500,
    'An unpacked Debian package lacks a file',
    (p) =>
      `${p.missing} is not in the Debian packages unpacked in ${p.folder}. Remove that folder and try again.`,
  ),
  'bad-seed': error<{ what: string; reason: string }>(
    400,
    'The cloud-init seed cannot be made',
    (p) => `The ${p.what} for cloud-init cannot be used: ${p.reason}.`,
  ),
});
