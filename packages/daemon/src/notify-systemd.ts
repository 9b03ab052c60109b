/**
 * sd_notify(3): tells systemd that the daemon is ready, or that it stops. Through systemd-notify(1), since Node has no
 * datagram sockets of the Unix family; the unit says `NotifyAccess=all` for that.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Logger } from 'pino';

const execute = promisify(execFile);

export async function notifySystemd(state: 'ready' | 'stopping', log: Logger): Promise<void> {
  if (!process.env['NOTIFY_SOCKET']) return;
  try {
    await execute('systemd-notify', [`--${state}`], { timeout: 5000 });
  } catch (cause) {
    log.warn({ err: cause }, 'systemd could not be told');
  }
}
