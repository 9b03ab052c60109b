/** `--ssh-key FILE|KEY`: a public key itself, or a file of them such as ~/.ssh/id_ed25519.pub. */
import { cliErrors } from '../errors.ts';

/** Key types of authorized_keys, sshd(8): everything before the base64. */
const keyPattern = /^(ssh-[a-z0-9-]+|ecdsa-sha2-[a-z0-9-]+|sk-[a-z0-9@.-]+) [A-Za-z0-9+/]+=*( .*)?$/;

export function isSshKey(text: string): boolean {
  return keyPattern.test(text.trim());
}

/** The keys in a file's text; comments and empty lines are left out. @throws cli.file */
export function sshKeysIn(text: string, path: string): readonly string[] {
  const refuse = (reason: string): never => {
    throw cliErrors.file({ path, action: 'take an SSH key from', reason });
  };
  if (text.includes('PRIVATE KEY')) refuse('it holds a private key; name the .pub file beside it');
  const lines = text.split('\n').map((line) => line.trim());
  const keys = lines.filter((line) => line !== '' && !line.startsWith('#'));
  if (keys.length === 0) refuse('it holds no key');
  if (!keys.every(isSshKey)) refuse('it holds something that is no public key in OpenSSH format');
  return keys;
}
