import { defineErrors, error } from '@corral/core/errors';

/** Errors of connections. What goes wrong in a repository itself is declared by packages/backup under the same prefix. */
export const connectionErrors = defineErrors('repository', {
  'not-connected': error<{ repository: string }>(
    404,
    'No such repository',
    (p) =>
      `This host is connected to no repository "${p.repository}". "corral repository list" shows those it knows; "corral repository connect" adds one.`,
  ),
  'name-taken': error<{ name: string }>(
    409,
    'The name is taken',
    (p) => `A repository named "${p.name}" is connected already. Choose another name.`,
  ),
  'connected-twice': error<{ place: string; name: string }>(
    409,
    'Connected already',
    (p) => `The repository in ${p.place} is connected already, as "${p.name}".`,
  ),
  'another-one': error<{ repository: string; place: string }>(
    409,
    'Another repository lies there',
    (p) =>
      `${p.place} holds another repository than the one that was connected as "${p.repository}". If that lies on a file system of its own, mount it; to use this one, connect it under another name.`,
  ),
  'credentials-damaged': error<{ path: string; reason: string }>(
    500,
    'The credentials of a repository cannot be read',
    (p) =>
      `${p.path} cannot be used: ${p.reason}. Remove the repository and connect it again; its content is not touched.`,
  ),
  'bad-place': error<{ place: string; reason: string }>(
    400,
    'Not a place for a repository',
    (p) => `${p.place} cannot be used: ${p.reason}.`,
  ),
  'key-in-use': error<{ key: string; repository: string }>(
    409,
    'This host uses the key',
    (p) =>
      `Key ${p.key} is the one with which this host opens "${p.repository}". Change it with "corral repository key change ${p.repository}".`,
  ),
  'same-repository': error<{ repository: string }>(
    409,
    'One and the same repository',
    (p) => `"${p.repository}" cannot be copied to itself. Name another repository.`,
  ),
});
