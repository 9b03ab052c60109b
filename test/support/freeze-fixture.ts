/** A daemon for tests of the guard: freezes a guest, says so, and does nothing more until it is killed or told to go on. */
import { once } from 'node:events';
import { DataDirectory } from '@corral/host/data-directory';
import { FreezeGuard } from '@corral/host/guard/freeze-guard';
import { AgentChannels } from '@corral/host/guest/agent-channels';

const [root, id, limitMs] = process.argv.slice(2) as [string, string, string];
await using directory = new DataDirectory(root);
await directory.prepare();
const agents = new AgentChannels(directory);
await using guard = await FreezeGuard.freeze({ directory, agents }, { id, name: 'fixture' }, Number(limitMs));
process.stdout.write('frozen\n');
await once(process.stdin, 'data');
process.stdout.write(`${JSON.stringify(await guard.thaw())}\n`);
process.stdin.destroy();
await agents.close();
