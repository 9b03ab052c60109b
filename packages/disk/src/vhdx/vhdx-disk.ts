/** A VHDX as one layer of a chain. */
import type { DiskInfo, DiskVariant, Extent, ParentLink, Range, SignalOptions } from '../disk.ts';
import { LayerDisk } from '../layer.ts';
import type { VhdxImage } from './image.ts';
import { extentsOf, readRange } from './mapping.ts';
import type { VhdxMetadata } from './metadata.ts';
import { VhdxWriter } from './writer.ts';

export class VhdxDisk extends LayerDisk {
  readonly #image: VhdxImage;
  readonly #writer: VhdxWriter | undefined;

  constructor(image: VhdxImage, readOnly: boolean, scratch = false) {
    super(image.path, readOnly);
    this.#image = image;
    this.#writer = readOnly ? undefined : new VhdxWriter(image, scratch);
  }

  get info(): DiskInfo {
    return describe(this.#image);
  }

  protected extentsLayer(range: Range, options: SignalOptions): AsyncIterable<Extent> {
    return extentsOf(this.#image, range, options);
  }

  protected readLayer(target: Uint8Array, offset: number, options: SignalOptions): Promise<void> {
    const read = (): Promise<void> => readRange(this.#image, target, offset, options);
    return this.#writer ? this.#writer.whileReading(read) : read();
  }

  protected async writeLayer(source: Uint8Array, offset: number, options: SignalOptions): Promise<void> {
    await this.#writer?.write(source, offset, options);
  }

  protected async zeroLayer(offset: number, length: number, options: SignalOptions): Promise<void> {
    await this.#writer?.zero(offset, length, options);
  }

  protected async flushLayer(): Promise<void> {
    await this.#writer?.commit();
  }

  protected override async sealLayer(): Promise<void> {
    await this.#writer?.end();
  }

  protected releaseLayer(): Promise<void> {
    return this.#image.file.close();
  }
}

function variantOf(metadata: VhdxMetadata): DiskVariant {
  if (metadata.parent) return 'differencing';
  return metadata.leaveBlockAllocated ? 'fixed' : 'dynamic';
}

function parentLink({ parent }: VhdxMetadata): ParentLink | undefined {
  if (!parent) return undefined;
  const identity2 = parent.linkage2 === undefined ? {} : { identity2: { dataWriteId: parent.linkage2 } };
  return { format: 'vhdx', paths: parent.paths, identity: { dataWriteId: parent.linkage }, ...identity2 };
}

export function describe(image: VhdxImage): DiskInfo {
  const { structure, file, layout } = image;
  const { metadata } = structure;
  const header = structure.headers.current;
  const parent = parentLink(metadata);
  return {
    format: 'vhdx',
    variant: variantOf(metadata),
    sizeBytes: metadata.sizeBytes,
    fileBytes: file.length,
    blockBytes: metadata.blockBytes,
    grainBytes: metadata.logicalSectorBytes,
    logicalSectorBytes: metadata.logicalSectorBytes,
    physicalSectorBytes: metadata.physicalSectorBytes,
    identity: { id: metadata.diskId, dataWriteId: header.dataWriteGuid },
    ...(parent ? { parent } : {}),
    dirty: structure.logPending,
    details: {
      creator: structure.creator,
      sequenceNumber: String(header.sequenceNumber),
      fileWriteId: header.fileWriteGuid,
      logBytes: header.logLength,
      blocks: layout.payloadBlocks,
      blocksPerBitmap: layout.chunkRatio,
    },
  };
}
