/** Collects a response's body, never more than was asked for. */
export async function bytesOfStream(stream: AsyncIterable<unknown>, limit: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of stream) {
    const bytes = Buffer.isBuffer(part) ? part : Buffer.from(part as Uint8Array);
    length += bytes.length;
    if (length > limit) throw new Error(`the store sent more than the ${limit} bytes that were asked for`);
    parts.push(bytes);
  }
  return Buffer.concat(parts);
}

/** No object of a repository is larger: documents and packs end at 64 MiB, segments below it. */
export const objectLimit = 128 * 2 ** 20;
