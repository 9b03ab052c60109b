/** Bounds that keep a hostile file from taking memory or time; QEMU has the same ones where it has one. */

export const minClusterBits = 9;
export const maxClusterBits = 21;
/** 32 subclusters of at least a sector. */
export const minExtendedClusterBits = 14;
export const maxL1Bytes = 32 * 2 ** 20;
export const maxRefcountTableBytes = 8 * 2 ** 20;
export const maxSnapshots = 65_536;
export const maxSnapshotTableBytes = 64 * 2 ** 20;
export const maxSnapshotExtraBytes = 1024;
/** All L1 tables of all snapshots of a file that is written to. */
export const maxSnapshotL1Bytes = 256 * 2 ** 20;
export const maxBitmaps = 65_535;
export const maxBitmapDirectoryBytes = 64 * 2 ** 20;
export const maxBitmapTableBytes = 32 * 2 ** 20;
export const maxBackingNameBytes = 1023;
export const maxExtensions = 64;
/** Host offsets have 56 bits in the tables; ours stay exact numbers. */
export const maxFileBytes = 2 ** 53 - 1;
export const maxDiskBytes = 2 ** 53 - 1;

export const subclustersPerCluster = 32;
export const sectorBytes = 512;
/** Changed and unchanged tables kept in memory, for L2 tables and for refcount blocks each. */
export const cacheBytes = 16 * 2 ** 20;
