/** The host, and what the doctor finds on it. */
import { vmStates } from '@corral/core/vm-actions';
import { z } from 'zod';
import { Bytes, Id, Name, Timestamp } from './common.ts';

export const Accelerator = z.strictObject({
  kind: z.enum(['kvm', 'tcg']),
  reason: z.string().describe('why this one: the trial run, or what is missing'),
});

export const ControlGroups = z.strictObject({
  available: z.boolean().describe('whether each VM has a control group of its own'),
  reason: z.string().describe('where they are, or what is missing'),
});

export const HostMemory = z.strictObject({
  totalBytes: Bytes,
  availableBytes: Bytes.describe('as the kernel estimates it'),
  reserveBytes: Bytes.describe('kept for the host; no VM starts into it'),
  assignedBytes: Bytes.describe('of the VMs that run'),
});

export const HostVolume = z.strictObject({
  path: z.string(),
  fileSystem: z.string(),
  totalBytes: Bytes,
  freeBytes: Bytes,
  reflink: z.boolean().describe('whether a copy shares its blocks'),
});

export const Host = z.strictObject({
  id: Id,
  name: Name,
  createdAt: Timestamp,
  startedAt: Timestamp.describe('of the daemon'),
  pid: z.int().describe('of the daemon'),
  version: z.string().describe('of Corral'),
  nodeVersion: z.string().describe('of Node'),
  architecture: z.string(),
  kernel: z.string(),
  processors: z.int().min(1),
  memory: HostMemory,
  accelerator: Accelerator,
  controlGroups: ControlGroups,
  qemu: z.strictObject({
    version: z.string(),
    path: z.string(),
    machineType: z.string().describe('what a new VM gets'),
  }),
  dataDirectory: z.string(),
  volume: HostVolume.describe('that holds the data directory'),
  endpoints: z.array(z.string()).describe('unix:/PATH, https://HOST:PORT'),
  vms: z.record(z.enum(vmStates), z.int().min(0)).describe('how many are in each state'),
});

export const DoctorSeverity = z.enum(['ok', 'note', 'warning', 'error']);

export const DoctorFinding = z.strictObject({
  check: z.string().describe('stable id of what was looked at: memory-reserve'),
  severity: DoctorSeverity,
  title: z.string(),
  detail: z.string(),
  fix: z.string().nullable().describe('what to do; null when nothing is wrong'),
  things: z.array(z.string()).describe('files, processes, VMs that it names'),
});

export const DoctorReport = z.strictObject({
  checkedAt: Timestamp,
  worst: DoctorSeverity,
  findings: z.array(DoctorFinding),
});

export const Health = z.strictObject({
  status: z.literal('ok'),
  name: z.string().describe('of the node'),
  version: z.string(),
  pid: z.int(),
});

export type Host = z.infer<typeof Host>;
export type DoctorFinding = z.infer<typeof DoctorFinding>;
export type DoctorReport = z.infer<typeof DoctorReport>;
export type DoctorSeverity = z.infer<typeof DoctorSeverity>;
export type Health = z.infer<typeof Health>;
