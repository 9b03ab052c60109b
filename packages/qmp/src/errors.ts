import { defineErrors, error } from '@corral/core/errors';

/** `peer` is what the caller called the other side, such as `the monitor of VM hello`. */
export const qmpErrors = defineErrors('qmp', {
  'not-listening': error<{ peer: string; path: string }>(
    502,
    'QEMU does not answer',
    (p) =>
      `Nobody listens for ${p.peer} at ${p.path}. QEMU has ended, or it runs without this socket; look at the last lines of its log.`,
  ),
  'no-greeting': error<{ peer: string; path: string; limitMs: number }>(
    504,
    'The monitor did not greet',
    (p) =>
      `${capital(p.peer)} accepted a connection at ${p.path} but sent no greeting within ${p.limitMs} ms. Another program may hold the monitor, which serves one client at a time, or QEMU is stuck.`,
  ),
  protocol: error<{ peer: string; reason: string; excerpt: string }>(
    502,
    'The other side does not speak QMP',
    (p) =>
      `${capital(p.peer)} sent what is not QMP (${p.reason}: ${JSON.stringify(p.excerpt)}). The connection was closed; check which program listens on the socket.`,
  ),
  'connection-lost': error<{ peer: string }>(
    502,
    'The connection to QEMU was lost',
    (p) =>
      `${capital(p.peer)} closed the connection. QEMU has ended or closed its socket; whether a command under way was carried out is unknown until the state is asked for again.`,
  ),
  closed: error<{ peer: string }>(
    409,
    'The connection to QEMU was closed',
    (p) => `The connection to ${p.peer} was closed on this side. Connect again.`,
  ),
  'command-missing': error<{ peer: string; command: string; desc: string }>(
    501,
    'This QEMU does not know the command',
    (p) =>
      `${capital(p.peer)} does not know the command "${p.command}", or not in its present state (${p.desc}). A newer QEMU may.`,
  ),
  'device-not-found': error<{ peer: string; command: string; desc: string }>(
    404,
    'QEMU does not know the device',
    (p) => `${capital(p.peer)} could not carry out "${p.command}": ${p.desc}`,
  ),
  'device-not-active': error<{ peer: string; command: string; desc: string }>(
    409,
    'The device is not active',
    (p) => `${capital(p.peer)} could not carry out "${p.command}": ${p.desc}`,
  ),
  'command-failed': error<{ peer: string; command: string; class: string; desc: string }>(
    502,
    'QEMU refused a command',
    (p) => `${capital(p.peer)} refused "${p.command}": ${p.desc}`,
  ),
  'no-out-of-band': error<{ peer: string; command: string }>(
    501,
    'No out-of-band commands',
    (p) =>
      `"${p.command}" must overtake the commands under way, and ${p.peer} does not offer that. Connect the monitor through a socket.`,
  ),
  'events-overrun': error<{ peer: string; limit: number }>(
    503,
    'Events were not taken in time',
    (p) =>
      `More than ${p.limit} events of ${p.peer} waited for a reader, so some were dropped. Ask for the present state and listen again.`,
  ),
  'job-failed': error<{ peer: string; job: string; reason: string }>(
    502,
    'A job of QEMU failed',
    (p) => `The job "${p.job}" of ${p.peer} failed: ${p.reason}`,
  ),
  'job-gone': error<{ peer: string; job: string }>(
    404,
    'A job of QEMU is gone',
    (p) =>
      `The job "${p.job}" of ${p.peer} is not there any more, and how it ended is not known. Judge by what it should have left behind, then start it again if needed.`,
  ),
  'job-state': error<{ peer: string; job: string; state: string; wanted: string }>(
    409,
    'A job of QEMU passed the state waited for',
    (p) =>
      `The job "${p.job}" of ${p.peer} is ${p.state}; it can no longer become ${p.wanted}. Start it again if its work is still needed.`,
  ),
});

/** `guest` is what the caller called it, such as `VM hello`. */
export const agentErrors = defineErrors('agent', {
  'not-connected': error<{ guest: string; path: string }>(
    409,
    'No channel to the guest agent',
    (p) =>
      `The channel to the guest agent of ${p.guest} (${p.path}) cannot be opened. The VM does not run, or it has no agent channel.`,
  ),
  'not-responding': error<{ guest: string; command: string; limitMs: number }>(
    504,
    'The guest agent does not respond',
    (p) =>
      `The guest agent of ${p.guest} did not answer "${p.command}" within ${p.limitMs} ms. Check that the guest has started and that qemu-guest-agent is installed and runs in it.`,
  ),
  'connection-lost': error<{ guest: string; command: string }>(
    502,
    'The channel to the guest agent was closed',
    (p) =>
      `The channel to the guest agent of ${p.guest} was closed during "${p.command}". The VM has ended or is ending; whether the guest carried it out is unknown.`,
  ),
  garbage: error<{ guest: string; command: string; reason: string }>(
    502,
    'The guest agent sent garbage',
    (p) =>
      `The guest agent of ${p.guest} answered "${p.command}" with what cannot be understood (${p.reason}). Update or restart qemu-guest-agent in the guest.`,
  ),
  'answer-too-large': error<{ guest: string; command: string; limitBytes: number }>(
    502,
    'The guest agent sent too much',
    (p) =>
      `The guest agent of ${p.guest} answered "${p.command}" with more than ${p.limitBytes} bytes. Ask for less: limit the output, or read the file in parts.`,
  ),
  'command-missing': error<{ guest: string; command: string }>(
    501,
    'The guest agent does not know the command',
    (p) =>
      `The guest agent of ${p.guest} does not know "${p.command}". Update qemu-guest-agent in the guest, or its operating system does not offer this.`,
  ),
  'command-disabled': error<{ guest: string; command: string; desc: string }>(
    403,
    'The guest agent does not allow the command',
    (p) =>
      `The guest agent of ${p.guest} does not allow "${p.command}" (${p.desc}). Thaw its file systems if they are frozen; otherwise allow the command in the agent's configuration.`,
  ),
  'command-failed': error<{ guest: string; command: string; class: string; desc: string }>(
    502,
    'The guest agent could not do it',
    (p) => `The guest agent of ${p.guest} could not carry out "${p.command}": ${p.desc}`,
  ),
  busy: error<{ guest: string; limit: number }>(
    503,
    'Too many calls wait for the guest agent',
    (p) =>
      `${p.limit} calls already wait for the guest agent of ${p.guest}, which serves one at a time. Try again later.`,
  ),
  closed: error<{ guest: string }>(
    409,
    'The guest agent is not used any more',
    (p) => `The connection to the guest agent of ${p.guest} was closed on this side.`,
  ),
  'exec-unfinished': error<{ guest: string; program: string; pid: number; limitMs: number }>(
    504,
    'The program in the guest did not end in time',
    (p) =>
      `"${p.program}" (process ${p.pid} in ${p.guest}) did not end within ${p.limitMs} ms. It runs on in the guest; end it there or allow more time.`,
  ),
  'file-too-large': error<{ guest: string; path: string; limitBytes: number }>(
    413,
    'The file is too large',
    (p) =>
      `${p.path} in ${p.guest} has more than ${p.limitBytes} bytes. Raise the limit, or copy it over the network.`,
  ),
  'input-too-large': error<{ guest: string; command: string; limitBytes: number }>(
    413,
    'Too much for one call of the guest agent',
    (p) =>
      `"${p.command}" for ${p.guest} can carry at most ${p.limitBytes} bytes. Write the data to a file in the guest first.`,
  ),
});

/** Begins a sentence with a name that the caller wrote in the middle of one. */
function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
