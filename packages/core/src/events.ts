/**
 * The event registry (mission M16): what can happen, under an id that never changes, with its severity and its words.
 * `docs/events.md` is generated from this table. The log that keeps events is in packages/host.
 */

export const eventSeverities = ['info', 'warning', 'error'] as const;
export type EventSeverity = (typeof eventSeverities)[number];

/** What an event is about, as it was called then. */
export interface EventSubject {
  readonly kind: 'vm' | 'image' | 'volume' | 'repository' | 'host' | 'operation' | 'token';
  readonly id: string;
  readonly name: string;
}

/** Values that a message is made of. They are kept with the event, so that a program need not parse the message. */
export type EventData = Readonly<Record<string, string | number | boolean | readonly string[] | null>>;

export interface EventDefinition<D extends EventData = EventData> {
  readonly severity: EventSeverity;
  /** What kind of event this is, the same for each occurrence. */
  readonly title: string;
  /** This occurrence, in plain English; what has a remedy names it. */
  readonly message: (name: string, data: D) => string;
}

/** Without a type for its data an event has none: `D` is then never. */
function event<D extends EventData = never>(
  severity: EventSeverity,
  title: string,
  message: (name: string, data: D) => string,
): EventDefinition<D> {
  return { severity, title, message };
}

export const eventTypes = {
  'vm.created': event('info', 'VM created', (vm) => `VM ${vm} was created.`),
  'vm.cloned': event<{ from: string }>('info', 'VM cloned', (vm, d) => `VM ${vm} was cloned from ${d.from}.`),
  'vm.disks-copied': event<{ copies: readonly string[] }>(
    'info',
    'Disks copied',
    (vm, d) => `Content of the disks of VM ${vm}, and how it was copied: ${d.copies.join(', ')}.`,
  ),
  'vm.registered': event<{ path: string }>(
    'info',
    'VM registered',
    (vm, d) => `VM ${vm} was registered from ${d.path}.`,
  ),
  'vm.exported': event<{ path: string; since: string | null }>('info', 'VM exported', (vm, d) =>
    d.since === null
      ? `VM ${vm} was exported to ${d.path}.`
      : `What changed of VM ${vm} since ${d.since} was exported to ${d.path}.`,
  ),
  'vm.deleted': event('info', 'VM deleted', (vm) => `VM ${vm} and its disks were deleted.`),
  'vm.renamed': event<{ from: string }>('info', 'VM renamed', (vm, d) => `VM ${d.from} is now called ${vm}.`),
  'vm.settings-changed': event<{ settings: readonly string[]; pendingRestart: readonly string[] }>(
    'info',
    'Settings changed',
    (vm, d) =>
      `Settings of VM ${vm} were changed: ${d.settings.join(', ')}.${
        d.pendingRestart.length > 0 ? ` These hold from its next start: ${d.pendingRestart.join(', ')}.` : ''
      }`,
  ),
  'vm.disk-added': event<{ disk: string }>(
    'info',
    'Disk added',
    (vm, d) => `Disk ${d.disk} was added to VM ${vm}.`,
  ),
  'vm.disk-removed': event<{ disk: string }>(
    'info',
    'Disk removed',
    (vm, d) => `Disk ${d.disk} was removed from VM ${vm}.`,
  ),
  'vm.disk-accepted': event<{ disk: string }>(
    'warning',
    'Files of a disk accepted as they are',
    (vm, d) =>
      `The files of disk ${d.disk} of VM ${vm} were taken as they are. What was changed in them is not known: the reference points of the disk ended, and its next backup reads all of it.`,
  ),
  'vm.disk-resized': event<{ disk: string; sizeBytes: number }>(
    'info',
    'Disk enlarged',
    (vm, d) => `Disk ${d.disk} of VM ${vm} has ${d.sizeBytes} bytes now.`,
  ),
  'vm.port-added': event<{ port: string }>(
    'info',
    'Port added',
    (vm, d) => `Port ${d.port} was added to VM ${vm}.`,
  ),
  'vm.port-removed': event<{ port: string }>(
    'info',
    'Port removed',
    (vm, d) => `Port ${d.port} was removed from VM ${vm}.`,
  ),
  'vm.reference-created': event<{ reference: string }>(
    'info',
    'Reference point created',
    (vm, d) => `Reference point ${d.reference} of VM ${vm} was created.`,
  ),
  'vm.reference-deleted': event<{ reference: string }>(
    'info',
    'Reference point deleted',
    (vm, d) => `Reference point ${d.reference} of VM ${vm} was deleted.`,
  ),
  'vm.backed-up': event<{ repository: string; point: string; consistency: string; reason: string | null }>(
    'info',
    'VM backed up',
    (vm, d) =>
      `VM ${vm} was backed up to ${d.repository} as ${d.point} (consistency: ${d.consistency}).${d.reason === null ? '' : ` Not better because ${d.reason}.`}`,
  ),
  'vm.backup-failed': event<{ repository: string; reason: string }>(
    'error',
    'A backup failed',
    (vm, d) =>
      `VM ${vm} was not backed up to ${d.repository}: ${d.reason} Nothing is left of it; the next backup is incremental as before.`,
  ),
  'vm.backup-mismatch': event<{
    disk: string;
    repository: string;
    offset: number;
    length: number;
    doubtfulSince: string | null;
  }>(
    'error',
    'A backup does not match its disk',
    (vm, d) =>
      `VM ${vm}, disk ${d.disk}: ${d.length} bytes at ${d.offset} differ from what ${d.repository} holds although nothing had marked them as changed. The disk is read again from end to end; its backups there ${d.doubtfulSince === null ? 'until now' : `since ${d.doubtfulSince}`} are marked as doubtful ("corral backup list"). Check its volume and the memory of this host.`,
  ),
  'vm.restored': event<{ repository: string; point: string }>(
    'info',
    'VM restored',
    (vm, d) => `VM ${vm} was restored from ${d.point} of ${d.repository}.`,
  ),
  'vm.backup-verified': event<{ repository: string; point: string; detail: string }>(
    'info',
    'Backup verified',
    (vm, d) => `Backup ${d.point} of VM ${vm} in ${d.repository} was run to prove it. ${d.detail}`,
  ),
  'vm.backup-not-verified': event<{ repository: string; point: string; detail: string }>(
    'error',
    'A backup did not run',
    (vm, d) =>
      `Backup ${d.point} of VM ${vm} in ${d.repository} was run to prove it. ${d.detail} Look at the picture of its display beside it, and restore it under another name to see why.`,
  ),
  'vm.copied-from-backup': event<{ repository: string; point: string }>(
    'info',
    'Disks copied from a backup',
    (vm, d) =>
      `The disks of VM ${vm}, which began to run from ${d.point} of ${d.repository}, are copied: it needs the repository no more.`,
  ),
  'vm.started': event<{ accelerator: string }>(
    'info',
    'VM started',
    (vm, d) => `VM ${vm} was started (accelerator ${d.accelerator}).`,
  ),
  'vm.start-failed': event<{ reason: string }>(
    'error',
    'VM did not start',
    (vm, d) => `VM ${vm} did not start: ${d.reason}`,
  ),
  'vm.autostart-failed': event<{ reason: string }>(
    'error',
    'VM did not start with the host',
    (vm, d) => `VM ${vm} should have started with the host and did not: ${d.reason}`,
  ),
  'vm.adopted': event<{ pid: number }>(
    'info',
    'Running VM found again',
    (vm, d) => `VM ${vm} was found running (process ${d.pid}) and is managed again.`,
  ),
  'vm.unresponsive': event<{ pid: number; reason: string }>(
    'error',
    'QEMU does not answer',
    (vm, d) =>
      `QEMU of VM ${vm} (process ${d.pid}) lives and does not answer: ${d.reason} It is asked again until it does; look whether its storage hangs, or end it with "corral vm stop ${vm}".`,
  ),
  'vm.paused': event('info', 'VM paused', (vm) => `VM ${vm} was paused.`),
  'vm.resumed': event('info', 'VM resumed', (vm) => `VM ${vm} runs on.`),
  'vm.saved': event('info', 'VM saved', (vm) => `The memory of VM ${vm} was saved; its process has ended.`),
  'vm.saved-discarded': event(
    'info',
    'Saved memory discarded',
    (vm) => `The saved memory of VM ${vm} was thrown away; it is off.`,
  ),
  'vm.reset': event('info', 'VM reset', (vm) => `VM ${vm} was reset.`),
  'vm.stopped': event('info', 'VM turned off', (vm) => `VM ${vm} was turned off.`),
  'vm.guest-shutdown': event(
    'info',
    'Guest shut down',
    (vm) => `The guest of VM ${vm} shut down; it is off.`,
  ),
  'vm.guest-reset': event('info', 'Guest restarted', (vm) => `The guest of VM ${vm} restarted itself.`),
  'vm.guest-panicked': event(
    'error',
    'Guest panicked',
    (vm) =>
      `The system in VM ${vm} panicked. Look at its console ("corral vm console ${vm}"), then reset or stop it.`,
  ),
  'vm.paused-io-error': event<{ reason: string }>(
    'error',
    'VM paused by an I/O error',
    (vm, d) =>
      `VM ${vm} was paused by an I/O error: ${d.reason}. When the cause is gone, "corral vm resume ${vm}".`,
  ),
  'vm.paused-no-space': event<{ disk: string; path: string }>(
    'error',
    'VM paused by a full volume',
    (vm, d) =>
      `VM ${vm} was paused because the volume of ${d.path} (disk ${d.disk}) is full. It runs on when space is free again.`,
  ),
  'vm.qemu-died': event<{ lastWords: string; whileDaemonWasAway: boolean }>(
    'error',
    'QEMU died',
    (vm, d) =>
      `QEMU of VM ${vm} died${d.whileDaemonWasAway ? ' while the daemon was away' : ''}. Its last words: ${d.lastWords || '(none)'}`,
  ),
  'checkpoint.created': event<{
    checkpoint: string;
    type: string;
    consistency: string;
    reason: string | null;
  }>(
    'info',
    'Checkpoint taken',
    (vm, d) =>
      `Checkpoint ${d.checkpoint} of VM ${vm} was taken (${d.type}, consistency: ${d.consistency}).${d.reason === null ? '' : ` Not better because ${d.reason}.`}`,
  ),
  'checkpoint.guest-stopped': event<{ checkpoint: string; pauseMs: number; reason: string }>(
    'warning',
    'A checkpoint stopped its guest',
    (vm, d) =>
      `The guest of VM ${vm} stood still for ${d.pauseMs} ms while the memory of checkpoint ${d.checkpoint} was written: ${d.reason}.`,
  ),
  'checkpoint.applied': event<{ checkpoint: string; present: string }>(
    'info',
    'Checkpoint applied',
    (vm, d) => `Checkpoint ${d.checkpoint} of VM ${vm} was applied; what was there before ${d.present}.`,
  ),
  'checkpoint.renamed': event<{ checkpoint: string; from: string }>(
    'info',
    'Checkpoint renamed',
    (vm, d) => `Checkpoint ${d.from} of VM ${vm} is now called ${d.checkpoint}.`,
  ),
  'checkpoint.deleted': event<{ checkpoints: readonly string[] }>(
    'info',
    'Checkpoint deleted',
    (vm, d) =>
      `Of VM ${vm} ${d.checkpoints.length === 1 ? 'checkpoint' : 'checkpoints'} ${d.checkpoints.join(', ')} ${d.checkpoints.length === 1 ? 'was' : 'were'} deleted; what others need of the disks is merged.`,
  ),
  'checkpoint.exported': event<{ checkpoint: string; path: string }>(
    'info',
    'Checkpoint exported',
    (vm, d) => `Checkpoint ${d.checkpoint} of VM ${vm} was exported to ${d.path}.`,
  ),
  'checkpoint.old': event<{ checkpoint: string; createdAt: string; days: number }>(
    'warning',
    'A checkpoint is old',
    (vm, d) =>
      `Checkpoint ${d.checkpoint} of VM ${vm} is older than ${d.days} days (${d.createdAt}). Checkpoints are no backup and cost space and speed; "corral checkpoint delete ${vm} ${d.checkpoint}" merges it away.`,
  ),
  'checkpoint.large': event<{ checkpoint: string; changedBytes: number; percent: number }>(
    'warning',
    'A checkpoint has grown large',
    (vm, d) =>
      `${d.changedBytes} bytes were written since checkpoint ${d.checkpoint} of VM ${vm}, more than ${d.percent} % of its disks. "corral checkpoint delete ${vm} ${d.checkpoint}" merges it away.`,
  ),
  'image.built': event('info', 'Image built', (image) => `Image ${image} was built.`),
  'image.imported': event<{ path: string }>(
    'info',
    'Image imported',
    (image, d) => `Image ${image} was imported from ${d.path}.`,
  ),
  'image.deleted': event('info', 'Image deleted', (image) => `Image ${image} was deleted.`),
  'repository.created': event<{ place: string; encrypted: boolean }>(
    'info',
    'Repository created',
    (repository, d) =>
      `Repository ${repository} was created in ${d.place}, ${d.encrypted ? 'encrypted' : 'not encrypted'}.`,
  ),
  'repository.connected': event<{ place: string; encrypted: boolean }>(
    'info',
    'Repository connected',
    (repository, d) => `Repository ${repository} in ${d.place} was connected.`,
  ),
  'repository.removed': event(
    'info',
    'Repository forgotten',
    (repository) => `Repository ${repository} was forgotten; its content stays where it lies.`,
  ),
  'repository.changed': event(
    'info',
    'Repository changed',
    (repository) => `Retention rules or policy of repository ${repository} were changed.`,
  ),
  'repository.damaged': event<{ count: number; backups: readonly string[] }>(
    'error',
    'Repository damaged',
    (repository, d) =>
      `A check found damage in repository ${repository}. Backups harmed: ${
        d.count === 0 ? 'none' : `${d.count}, among them ${d.backups.join('; ')}`
      }. "corral repository repair ${repository}" keeps what is sound.`,
  ),
  'repository.repaired': event<{ harmed: number; removed: number }>(
    'warning',
    'Repository repaired',
    (repository, d) =>
      `Repository ${repository} was repaired: ${d.harmed} backups lost data, ${d.removed} could not be read and were removed. Back up their VMs again.`,
  ),
  'repository.locks-not-renewed': event<{ reason: string }>(
    'warning',
    'Locks not renewed',
    (repository, d) =>
      `The retention of locked backups in the store of repository ${repository} could not be renewed: ${d.reason} It is tried again tomorrow; for ten days nothing is at risk.`,
  ),
  'repository.key-added': event<{ key: string }>(
    'info',
    'Key added',
    (repository, d) => `Key "${d.key}" was added to repository ${repository}.`,
  ),
  'repository.key-removed': event<{ key: string }>(
    'info',
    'Key removed',
    (repository, d) => `Key ${d.key} was removed from repository ${repository}.`,
  ),
  'repository.key-changed': event<{ key: string }>(
    'info',
    'Key changed',
    (repository, d) => `This host opens repository ${repository} with the key "${d.key}" from now on.`,
  ),
  'volume.added': event<{ path: string; fileSystem: string }>(
    'info',
    'Volume added',
    (volume, d) => `Volume ${volume} (${d.fileSystem} at ${d.path}) was added and belongs to this host.`,
  ),
  'volume.changed': event<{ reserveBytes: number }>(
    'info',
    'Volume changed',
    (volume, d) => `The reserve of volume ${volume} is ${d.reserveBytes} bytes.`,
  ),
  'volume.removed': event<{ path: string }>(
    'info',
    'Volume removed',
    (volume, d) => `Volume ${volume} at ${d.path} was removed; it belongs to no host.`,
  ),
  'volume.released': event<{ path: string }>(
    'info',
    'Volume released',
    (volume, d) => `Volume ${volume} at ${d.path} was released; another host may take it.`,
  ),
  'volume.seized': event<{ path: string; from: string }>(
    'warning',
    'Volume seized',
    (volume, d) => `Volume ${volume} at ${d.path} was taken from ${d.from}.`,
  ),
  'volume.lost': event<{ path: string; reason: string }>(
    'error',
    'Volume lost',
    (volume, d) => `No VM starts from volume ${volume} at ${d.path} any more: ${d.reason}`,
  ),
  'volume.back': event<{ path: string }>(
    'info',
    'Volume is back',
    (volume, d) => `Volume ${volume} at ${d.path} is there and belongs to this host.`,
  ),
  'volume.below-reserve': event<{ path: string; freeBytes: number; reserveBytes: number }>(
    'warning',
    'The reserve of a volume is reached',
    (volume, d) =>
      `Volume ${volume} at ${d.path} has ${d.freeBytes} bytes free, less than its reserve of ${d.reserveBytes}. New disks, copies and checkpoints are refused; VMs run on until it is full. Free some space.`,
  ),
  'host.daemon-started': event<{ version: string }>(
    'info',
    'Daemon started',
    (host, d) => `corrald ${d.version} started on ${host}.`,
  ),
  'host.daemon-stopped': event('info', 'Daemon stopped', (host) => `corrald on ${host} stopped; VMs run on.`),
  'host.volume-low': event<{ path: string; freeBytes: number }>(
    'warning',
    'A volume is nearly full',
    (host, d) => `${d.path} on ${host} has ${d.freeBytes} bytes free. VMs that cannot write are paused.`,
  ),
  'host.memory-low': event<{ availableBytes: number; reserveBytes: number }>(
    'warning',
    'The host is short of memory',
    (host, d) =>
      `${host} has ${d.availableBytes} bytes of memory available, less than its reserve of ${d.reserveBytes}. Stop or save a VM.`,
  ),
  'host.certificate-renewed': event<{ expiresAt: string }>(
    'info',
    'Certificate renewed',
    (host, d) => `The TLS certificate of ${host} was renewed; it is valid until ${d.expiresAt}.`,
  ),
  'host.failed-logins': event<{ address: string; count: number }>(
    'warning',
    'Many failed logins',
    (host, d) => `${d.count} requests from ${d.address} came to ${host} with an invalid token.`,
  ),
  'operation.failed': event<{ kind: string; reason: string }>(
    'error',
    'Operation failed',
    (title, d) => `"${title}" failed and was undone: ${d.reason}`,
  ),
  'operation.stuck': event<{ kind: string; reason: string }>(
    'error',
    'Operation is stuck',
    (title, d) =>
      `"${title}" can go neither forward nor back: ${d.reason} Remove the cause, then "corral operation retry".`,
  ),
  'token.created': event<{ role: string; by: string }>(
    'info',
    'Token created',
    (token, d) => `Token ${token} with the role ${d.role} was created by ${d.by}.`,
  ),
  'token.revoked': event<{ by: string }>(
    'info',
    'Token revoked',
    (token, d) => `Token ${token} was revoked by ${d.by}.`,
  ),
} satisfies Record<string, EventDefinition<never>>;

export type EventType = keyof typeof eventTypes;

type DataOf<T extends EventType> = (typeof eventTypes)[T] extends EventDefinition<infer D> ? D : never;

/** The data of an event as the rest of an argument list: none for an event that has none. */
export type EventArguments<T extends EventType> = [DataOf<T>] extends [never] ? [] : [data: DataOf<T>];

export function isEventType(type: string): type is EventType {
  return Object.hasOwn(eventTypes, type);
}

/** The definition of a type, for whoever holds subject and data apart from their types. */
export function eventDefinition(type: EventType): EventDefinition {
  return eventTypes[type] as EventDefinition<never> as EventDefinition;
}
