/** The VM generation id as the guest has it: its kernel has no driver, so the memory is read in which the firmware put it. */
import type { Client } from '@corral/api/client.gen';
import { inGuest } from './guests.ts';

/** Where the GUID begins in the page whose address the table names (QEMU's docs/specs/vmgenid). */
const guidOffset = 40;
/** AML: NameOp, "VGIA", DWordPrefix; the address follows. */
const addressName = Buffer.from([0x08, 0x56, 0x47, 0x49, 0x41, 0x0c]);

export async function generationIdInGuest(client: Client, vm: string): Promise<string> {
  const tables = await inGuest(client, vm, 'cat /sys/firmware/acpi/tables/SSDT* | base64');
  const content = Buffer.from(tables, 'base64');
  const at = content.indexOf(addressName);
  if (at < 0) throw new Error('the firmware of the guest knows no generation id');
  const address = content.readUInt32LE(at + addressName.length) + guidOffset;
  const words = [0, 4, 8, 12].map((offset) => `devmem 0x${(address + offset).toString(16)} 32`);
  const guid = Buffer.alloc(16);
  for (const [index, word] of (await inGuest(client, vm, words.join(' && '))).trim().split('\n').entries()) {
    guid.writeUInt32LE(Number(word), index * 4);
  }
  return textOf(guid);
}

/** The first three fields of a GUID are little-endian in ACPI. */
function textOf(guid: Buffer): string {
  const swapped = Buffer.concat([
    guid.subarray(0, 4).reverse(),
    guid.subarray(4, 6).reverse(),
    guid.subarray(6, 8).reverse(),
    guid.subarray(8),
  ]).toString('hex');
  return swapped.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
