/** What `npm run gen` writes for this package. */
import { completionScripts } from './completion/scripts.ts';
import { referenceText } from './reference.ts';

export async function generate(): Promise<Map<string, string>> {
  return new Map([
    ['docs/cli.md', await referenceText()],
    ['completions/corral.bash', completionScripts.bash],
    ['completions/_corral', completionScripts.zsh],
  ]);
}
