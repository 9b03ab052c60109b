/** The object `config`: what everything else in a repository rests on. */
import { repositoryErrors } from '../errors.ts';
import { Fields } from './fields.ts';
import { formatTextObject, parseTextObject } from './text-object.ts';

export const blockBytes = 65_536;
export const fanOut = 64;

export interface RepositoryConfig {
  readonly id: string;
  readonly createdAt: string;
  readonly encryption: 'aes-256-gcm' | 'none';
}

export function formatConfig(config: RepositoryConfig): Buffer {
  const { id, createdAt, encryption } = config;
  const format = { format: 'corral-repository', version: 1, id, createdAt, encryption, blockBytes, fanOut };
  return formatTextObject(format);
}

/** @throws repository.version, repository.object-damaged */
export function parseConfig(place: string, content: Buffer): RepositoryConfig {
  const fields = new Fields('config', parseTextObject('config', content));
  fields.text('format', /^corral-repository$/);
  const version = fields.count('version');
  if (version !== 1) throw repositoryErrors.version({ place, version });
  if (fields.count('blockBytes') !== blockBytes || fields.count('fanOut') !== fanOut) {
    throw repositoryErrors['object-damaged']({
      name: 'config',
      reason: 'its parameters are not those of version 1',
    });
  }
  return {
    id: fields.id('id'),
    createdAt: fields.text('createdAt'),
    encryption: fields.text('encryption', /^(aes-256-gcm|none)$/) as RepositoryConfig['encryption'],
  };
}
