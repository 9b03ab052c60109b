import type { CommandGroup } from '../../tree/command-tree.ts';

export const diskGroup: CommandGroup = {
  description:
    'Works on disk files of any format (raw, qcow2, VHD, VHDX, AVHDX) and on chains of differencing disks, right on the files and without a daemon. Disks of a VM that runs are in use: leave them to the daemon.',
  examples: [
    { command: 'corral disk inspect server.avhdx', explains: 'what it is, and the chain it rests on' },
    { command: 'corral disk convert server.avhdx server.qcow2', explains: 'the whole chain as one disk' },
    {
      command: 'corral disk hash server.qcow2',
      explains: 'SHA-256 of what a guest sees: equal to the above',
    },
    { command: 'corral disk check --repair server.vhdx', explains: 'find damage, mend what can be mended' },
  ],
  commands: {
    inspect: {
      summary: 'Show what a disk is and the chain it rests on',
      load: async () => (await import('./disk-inspect.ts')).diskInspect,
    },
    check: {
      summary: 'Look for damage, and repair it',
      load: async () => (await import('./disk-check.ts')).diskCheck,
    },
    hash: {
      summary: 'SHA-256 of a disk as a guest sees it',
      load: async () => (await import('./disk-hash.ts')).diskHash,
    },
    create: {
      summary: 'Create a disk, blank or on top of another',
      load: async () => (await import('./disk-create.ts')).diskCreate,
    },
    convert: {
      summary: 'Write the content of a disk to a new file of any format',
      load: async () => (await import('./disk-convert.ts')).diskConvert,
    },
    resize: {
      summary: 'Change the size that a guest sees',
      load: async () => (await import('./disk-resize.ts')).diskResize,
    },
    compact: {
      summary: 'Give unused space back to the volume',
      load: async () => (await import('./disk-compact.ts')).diskCompact,
    },
    merge: {
      summary: 'Merge a differencing disk into its parent',
      load: async () => (await import('./disk-merge.ts')).diskMerge,
    },
    diff: {
      summary: 'Show where two disks differ',
      load: async () => (await import('./disk-diff.ts')).diskDiff,
    },
    map: {
      summary: 'Show which part of a disk comes from which file',
      load: async () => (await import('./disk-map.ts')).diskMap,
    },
  },
};
