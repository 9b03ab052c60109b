/** Chains of disks with random content, for tests: every layer written through the chain, a buffer keeps the truth. */
import { Buffer } from 'node:buffer';
import { join } from 'node:path';
import fc from 'fast-check';
import { openChain } from './chain.ts';
import type { DiskFormat } from './disk.ts';
import { DiskModel, type DiskOperation, operations } from './disk-model.ts';
import { type CreateDiskOptions, createDisk } from './verbs/create-disk.ts';

export interface LayerSpec {
  readonly format: DiskFormat;
  readonly options: Omit<CreateDiskOptions, 'format' | 'sizeBytes' | 'parent'>;
  readonly writes: readonly DiskOperation[];
}

export interface ChainSpec {
  readonly sizeBytes: number;
  readonly layers: readonly LayerSpec[];
}

export interface BuiltChain {
  /** Bottom first. */
  readonly paths: readonly string[];
  readonly top: string;
  readonly content: Buffer;
}

type Options = LayerSpec['options'];

const MiB = 2 ** 20;

const baseOptions: Readonly<Record<DiskFormat, readonly Options[]>> = {
  raw: [{}, { variant: 'fixed' }],
  qcow2: [{}, { blockBytes: 512 }, { blockBytes: 2 * MiB }, { extendedL2: true }],
  vhd: [{}, { variant: 'fixed' }],
  vhdx: [
    {},
    { variant: 'fixed' },
    { blockBytes: MiB, logicalSectorBytes: 4096 },
    { blockBytes: 2 * MiB, logicalSectorBytes: 512, physicalSectorBytes: 512 },
  ],
};

const childOptions: Readonly<Record<DiskFormat, readonly Options[]>> = {
  raw: [],
  qcow2: [{}, { blockBytes: 4096 }, { extendedL2: true }],
  vhd: [{}],
  vhdx: [{}, { blockBytes: MiB }],
};

/** VHD and VHDX take only their own kind as a parent; qcow2 takes any. */
function childFormats(parent: DiskFormat): readonly DiskFormat[] {
  return parent === 'vhd' || parent === 'vhdx' ? [parent, parent, 'qcow2'] : ['qcow2'];
}

/** Formats and options of `depth` layers, bottom first. */
export function chainSpec(maxDepth: number): fc.Arbitrary<ChainSpec> {
  const pick = fc.nat({ max: 1000 });
  return fc
    .record({
      base: fc.constantFrom<DiskFormat>('raw', 'qcow2', 'vhd', 'vhdx'),
      choices: fc.array(fc.tuple(pick, pick, operations), { minLength: 1, maxLength: maxDepth }),
      sectors: fc.integer({ min: 300, max: 700 }),
    })
    .map(({ base, choices, sectors }) => {
      const layers: LayerSpec[] = [];
      for (const [first, second, writes] of choices) {
        const below = layers.at(-1);
        const formats = below ? childFormats(below.format) : [base];
        const format = formats[first % formats.length]!;
        const variants = below ? childOptions[format] : baseOptions[format];
        layers.push({ format, options: variants[second % variants.length]!, writes });
      }
      return { sizeBytes: sectors * 4096, layers };
    });
}

export async function buildChain(folder: string, spec: ChainSpec): Promise<BuiltChain> {
  const paths: string[] = [];
  let content: Buffer = Buffer.alloc(spec.sizeBytes);
  for (const [index, { format, options, writes }] of spec.layers.entries()) {
    const path = join(folder, `layer-${index}.${format}`);
    const parent = paths.at(-1);
    const size = parent === undefined ? { sizeBytes: spec.sizeBytes } : { parent };
    const parentFormat = spec.layers[index - 1]?.format;
    await createDisk(path, { ...options, ...size, format, ...(parentFormat ? { parentFormat } : {}) });
    await using disk = await openChain(path, { readOnly: false, format });
    const model = new DiskModel(disk.info);
    model.content.set(content);
    for (const operation of writes) {
      const { offset, length } = model.place(operation);
      if (operation.kind === 'write') await disk.write(model.pattern(operation.seed + index, length), offset);
      else if (operation.kind === 'zero') await disk.zero(offset, length);
      model.apply({ ...operation, seed: operation.seed + index });
    }
    content = model.content;
    paths.push(path);
  }
  return { paths, top: paths.at(-1)!, content };
}

/** Shows a counterexample without its thousands of numbers. */
export function describeSpec({ sizeBytes, layers }: ChainSpec): string {
  return `${sizeBytes}: ${layers.map(({ format, options }) => `${format} ${JSON.stringify(options)}`).join(' <- ')}`;
}
