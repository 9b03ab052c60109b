import { cliErrors } from '../../errors.ts';

export interface BackupPlace {
  readonly backup: string;
  readonly disk: string;
  readonly path: string;
}

/** `BACKUP:DISK:/path`. Only the path may hold a colon. @throws cli.value */
export function backupPlace(text: string): BackupPlace {
  const match = /^([^:]+):([^:]+):(\/.*)$/s.exec(text);
  if (!match) {
    throw cliErrors.value({
      what: 'a place in a backup',
      text,
      expected: 'Write BACKUP:DISK:/path, such as nightly:data:/etc/fstab.',
    });
  }
  return { backup: match[1]!, disk: match[2]!, path: match[3]! };
}
