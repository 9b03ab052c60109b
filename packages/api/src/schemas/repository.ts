/** Backup repositories as this host is connected to them. */
import { z } from 'zod';
import { Bytes, Id, Name, Timestamp } from './common.ts';

const Url = z.string().max(4096);
const storeLocks = z
  .boolean()
  .default(false)
  .describe(
    "put locked backups under the store's own immutability (S3 Object Lock, Azure); it must be switched on there",
  );

export const RepositoryPlace = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('directory'),
      path: z.string().startsWith('/').max(4096).describe('on the host'),
    }),
    z.strictObject({
      kind: z.literal('s3'),
      url: Url.describe('s3://bucket/prefix, or https://server/bucket/prefix'),
      region: z.string().max(64).optional(),
      storeLocks,
    }),
    z.strictObject({
      kind: z.literal('azure'),
      url: Url.describe('https://account.blob.core.windows.net/container/prefix, without a signature'),
      storeLocks,
    }),
  ])
  .describe('where it lies');

/** What opens a repository. */
export const RepositorySecret = z.union([
  z.strictObject({ passphrase: z.string().min(8).max(1024) }),
  z.strictObject({
    keyFile: z.base64().max(65_536).describe('the bytes of a key file, at least 32, in base64'),
  }),
]);

/** What opens the store it lies in. */
export const StoreCredentials = z.union([
  z.strictObject({
    accessKeyId: z.string().min(1).max(256),
    secretAccessKey: z.string().min(1).max(256),
    sessionToken: z.string().max(8192).optional(),
  }),
  z.strictObject({ accountKey: z.string().min(1).max(256) }),
  z.strictObject({ sharedAccessSignature: z.string().min(1).max(4096) }),
]);

const count = z.int().min(1).max(100_000).optional();

export const RetentionRules = z
  .strictObject({
    last: count.describe('the newest ones'),
    hourly: count,
    daily: count,
    weekly: count,
    monthly: count,
    yearly: count,
  })
  .describe(
    'how many backups of each VM stay, one for each period; a backup stays if any rule keeps it. No rule: all stay',
  );

export const Repository = z.strictObject({
  id: Id.describe('of the connection'),
  name: Name,
  createdAt: Timestamp.describe('when this host was connected'),
  repositoryId: Id.describe('of the repository, the same on every host'),
  place: RepositoryPlace,
  encrypted: z.boolean(),
  retention: RetentionRules,
  appendOnly: z.boolean().describe('nothing is ever deleted; cannot be switched off'),
  lockDays: z.int().min(0).describe('so long nobody can delete a new backup; can only grow'),
});

const New = {
  name: Name,
  place: RepositoryPlace,
  credentials: StoreCredentials.optional().describe("default: what the daemon's environment gives"),
  secret: RepositorySecret.optional(),
  retention: RetentionRules.default({}),
};

export const RepositoryCreate = z.strictObject({
  ...New,
  keyName: z.string().min(1).max(63).default('first').describe('of the first key, for people'),
});

export const RepositoryConnect = z.strictObject(New);

export const RepositoryPatch = z.strictObject({
  retention: RetentionRules.optional().describe('all rules anew'),
  appendOnly: z.literal(true).optional().describe('for ever'),
  lockDays: z.int().min(1).max(36_500).optional().describe('not less than now'),
});

export const RepositoryStatistics = z.strictObject({
  points: z.int(),
  virtualMachines: z.int(),
  storedBytes: Bytes.describe('of all objects'),
  logicalBytes: Bytes.describe('the sizes of all disks of all backups'),
  savedBytes: Bytes,
  packs: z.int(),
  blobs: z.int(),
  unneededBytes: Bytes.describe('what a prune can free, about'),
  blockBytes: Bytes,
});

export const RepositoryCheck = z.strictObject({
  readData: z.boolean().default(false).describe('read and prove every byte'),
});

export const RepositoryPrune = z.strictObject({
  applyRetention: z.boolean().default(true).describe('first delete the backups that no rule keeps'),
});

export const RepositoryPrunePreviewQuery = z.strictObject({
  applyRetention: z.enum(['true', 'false']).default('true').describe('count what no rule keeps as deleted'),
});

/** What a prune would do. */
export const RepositoryPrunePreview = z.strictObject({
  backups: z
    .array(z.strictObject({ point: Id, vm: z.string(), name: z.string(), createdAt: z.string() }))
    .describe('that no rule keeps; at most 1000 of them'),
  deletedPoints: z.int(),
  lockedPoints: z.int().describe('that no rule keeps and a lock does'),
  deletedPacks: z.int(),
  freedBytes: Bytes.describe('less what is copied together; running backups may hold some of it up'),
});

export const RepositoryCopy = z.strictObject({
  to: z.string().min(1).max(63).describe('name or id of the other repository'),
  points: z.array(Id).max(10_000).optional().describe('default: all that are not there yet'),
});

export const RepositoryKey = z.strictObject({
  id: Id,
  name: z.string(),
  createdAt: z.string(),
  kind: z.enum(['passphrase', 'key-file']),
  current: z.boolean().describe('the one that this host uses'),
});

export const RepositoryKeyAdd = z.strictObject({
  name: z.string().min(1).max(63).describe('for people'),
  secret: RepositorySecret,
});

/** What `repository.check` found, as the operation's output. Lists end after 100. */
export const RepositoryCheckReport = z.strictObject({
  sound: z.boolean(),
  points: z.int(),
  packs: z.int(),
  blobs: z.int(),
  provedBytes: Bytes,
  problems: z.array(
    z.strictObject({
      object: z.string(),
      kind: z.enum(['missing', 'damaged', 'foreign']),
      detail: z.string(),
    }),
  ),
  problemCount: z.int(),
  harmed: z.array(
    z.strictObject({
      point: Id,
      vm: z.string(),
      name: z.string(),
      createdAt: z.string(),
      disks: z.array(z.string()),
      lostBytes: Bytes,
    }),
  ),
  harmedCount: z.int(),
  unreadable: z.array(z.string()).describe('points that cannot be read at all'),
});

/** Output of `repository.prune`. */
export const RepositoryPruneResult = z.strictObject({
  deletedPoints: z.int().describe('that no rule kept'),
  lockedPoints: z.int().describe('that no rule kept and a lock did'),
  deletedPacks: z.int(),
  freedBytes: Bytes,
  copiedBlobs: z.int(),
  waitingPacks: z.int().describe('go when the sessions that hold them end; prune again later'),
});

/** Output of `repository.repair`. */
export const RepositoryRepairResult = z.strictObject({
  salvagedBlobs: z.int(),
  droppedPacks: z.int(),
  relistedPacks: z.int(),
  droppedSegments: z.int(),
  removedPoints: z.array(z.string()),
  removedObjects: z.array(z.string()),
  harmed: RepositoryCheckReport.shape.harmed,
});

/** Output of `repository.copy`. */
export const RepositoryCopyResult = z.strictObject({ copied: z.int(), alreadyThere: z.int() });

export type Repository = z.infer<typeof Repository>;
export type RepositoryPlace = z.infer<typeof RepositoryPlace>;
export type RepositorySecret = z.infer<typeof RepositorySecret>;
export type StoreCredentials = z.infer<typeof StoreCredentials>;
export type RetentionRules = z.infer<typeof RetentionRules>;
export type RepositoryCreate = z.infer<typeof RepositoryCreate>;
export type RepositoryConnect = z.infer<typeof RepositoryConnect>;
export type RepositoryPatch = z.infer<typeof RepositoryPatch>;
export type RepositoryStatistics = z.infer<typeof RepositoryStatistics>;
export type RepositoryCopy = z.infer<typeof RepositoryCopy>;
export type RepositoryKey = z.infer<typeof RepositoryKey>;
export type RepositoryKeyAdd = z.infer<typeof RepositoryKeyAdd>;
export type RepositoryCheckReport = z.infer<typeof RepositoryCheckReport>;
export type RepositoryPrunePreview = z.infer<typeof RepositoryPrunePreview>;
export type RepositoryPruneResult = z.infer<typeof RepositoryPruneResult>;
export type RepositoryRepairResult = z.infer<typeof RepositoryRepairResult>;
export type RepositoryCopyResult = z.infer<typeof RepositoryCopyResult>;
