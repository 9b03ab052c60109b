import type { CommandGroup } from '../../tree/command-tree.ts';

export const imageGroup: CommandGroup = {
  examples: [
    { command: 'corral image build micro', explains: "build the small image from the host's own packages" },
    {
      command: 'corral image import debian-12-genericcloud-amd64.qcow2 --name debian12',
      explains: 'take a cloud image into the library',
    },
    { command: 'corral image list', explains: 'what there is' },
  ],
  commands: {
    build: {
      summary: "Build an image from the host's own packages",
      load: async () => (await import('./image-build.ts')).imageBuild,
    },
    import: {
      summary: 'Import a disk file as an image',
      load: async () => (await import('./image-import.ts')).imageImport,
    },
    list: { summary: 'List the images', load: async () => (await import('./image-list.ts')).imageList },
    show: { summary: 'Show an image', load: async () => (await import('./image-show.ts')).imageShow },
    delete: {
      summary: 'Delete an image that no VM needs',
      load: async () => (await import('./image-delete.ts')).imageDelete,
    },
  },
};
