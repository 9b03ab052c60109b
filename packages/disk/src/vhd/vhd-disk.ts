/** VHDs as layers of a chain. */
import type { DiskInfo, DiskVariant, Extent, Range, SignalOptions } from '../disk.ts';
import type { BlockFile } from '../file.ts';
import { LayerDisk } from '../layer.ts';
import type { BlockMap } from './block-map.ts';
import { createdAt, sectorBytes } from './footer.ts';
import { extentsOf, fileExtents, readRange } from './mapping.ts';
import type { VhdStructure } from './structure.ts';
import { VhdWriter } from './writer.ts';

interface LayerOptions {
  readonly readOnly: boolean;
  readonly scratch?: boolean | undefined;
}

export class FixedVhd extends LayerDisk {
  readonly #file: BlockFile;
  readonly #structure: VhdStructure;
  readonly #scratch: boolean;

  constructor(file: BlockFile, structure: VhdStructure, options: LayerOptions) {
    super(file.path, options.readOnly);
    this.#scratch = options.scratch ?? false;
    this.#file = file;
    this.#structure = structure;
  }

  get info(): DiskInfo {
    return describe(this.#file, this.#structure);
  }

  protected async *extentsLayer(range: Range): AsyncGenerator<Extent> {
    yield* fileExtents({ file: this.#file }, range);
  }

  protected readLayer(target: Uint8Array, offset: number, options: SignalOptions): Promise<void> {
    return this.#file.readExact(target, offset, 'content', options);
  }

  protected writeLayer(source: Uint8Array, offset: number, options: SignalOptions): Promise<void> {
    return this.#file.writeAll(source, offset, options);
  }

  protected async zeroLayer(offset: number, length: number, options: SignalOptions): Promise<void> {
    await this.#file.punch(offset, length, options);
    // A fixed disk keeps its space.
    await this.#file.reserve(offset, length);
  }

  protected async flushLayer(): Promise<void> {
    if (!this.#scratch) await this.#file.sync();
  }

  protected override async sealLayer(): Promise<void> {
    if (this.#scratch) await this.#file.sync();
  }

  protected releaseLayer(): Promise<void> {
    return this.#file.close();
  }
}

export class DynamicVhd extends LayerDisk {
  readonly #map: BlockMap;
  readonly #structure: VhdStructure;
  readonly #writer: VhdWriter | undefined;

  constructor(map: BlockMap, structure: VhdStructure, options: LayerOptions) {
    super(map.file.path, options.readOnly);
    this.#map = map;
    this.#structure = structure;
    const { readOnly, scratch } = options;
    this.#writer = readOnly ? undefined : new VhdWriter(map, structure, scratch);
  }

  get info(): DiskInfo {
    return describe(this.#map.file, this.#structure);
  }

  protected extentsLayer(range: Range, options: SignalOptions): AsyncIterable<Extent> {
    return extentsOf(this.#map, range, options);
  }

  protected readLayer(target: Uint8Array, offset: number, options: SignalOptions): Promise<void> {
    return readRange(this.#map, target, offset, options);
  }

  protected async writeLayer(source: Uint8Array, offset: number, options: SignalOptions): Promise<void> {
    await this.#writer?.write(source, offset, options);
  }

  protected async zeroLayer(offset: number, length: number, options: SignalOptions): Promise<void> {
    await this.#writer?.zero(offset, length, options);
  }

  protected async flushLayer(): Promise<void> {
    await this.#writer?.flush();
  }

  protected override async sealLayer(): Promise<void> {
    await this.#writer?.end();
  }

  protected releaseLayer(): Promise<void> {
    return this.#map.file.close();
  }
}

function variantOf({ dynamic }: VhdStructure): DiskVariant {
  if (!dynamic) return 'fixed';
  return dynamic.parent ? 'differencing' : 'dynamic';
}

function describe(file: BlockFile, structure: VhdStructure): DiskInfo {
  const { footer, dynamic, sizeBytes } = structure;
  const { cylinders, heads, sectorsPerTrack } = footer.geometry;
  return {
    format: 'vhd',
    variant: variantOf(structure),
    sizeBytes,
    fileBytes: file.length,
    blockBytes: dynamic?.header.blockBytes ?? 1,
    grainBytes: dynamic ? sectorBytes : 1,
    logicalSectorBytes: sectorBytes,
    physicalSectorBytes: sectorBytes,
    identity: { dataWriteId: footer.uniqueId },
    ...(dynamic?.parent ? { parent: dynamic.parent } : {}),
    ...(footer.timestamp === 0 ? {} : { createdAt: createdAt(footer) }),
    dirty: structure.notes.length > 0,
    details: {
      creator: footer.creator.replace(/\p{Cc}/gu, ' ').trimEnd(),
      currentSizeBytes: footer.currentSizeBytes,
      cylinders,
      heads,
      sectorsPerTrack,
      savedState: footer.savedState,
      ...(dynamic ? { blocks: dynamic.blocks, tableOffset: dynamic.header.tableOffset } : {}),
    },
  };
}
