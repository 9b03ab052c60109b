/** A chain of layers as only a record knows it, its content, and what a guest would read of it. */
import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DiskLayer } from '@corral/api/schemas/vm-settings';
import { newId } from '@corral/core/ids';
import type { Chain } from '@corral/host/chain/chain';
import { endStorageDaemons } from '@corral/host/chain/storage-daemon';
import { DataDirectory } from '@corral/host/data-directory';
import { runTool } from '../qemu/support/tool-process.ts';

export const sizeMiB = 64;

/** A chain of three in a VM's folder; each layer holds its own pattern in its own place and over the one below. */
export async function makeChain(): Promise<
  { directory: DataDirectory; vmId: string; chain: Chain } & AsyncDisposable
> {
  const root = await mkdtemp(join(tmpdir(), 'corral-chain-'));
  const directory = new DataDirectory(root);
  await directory.prepare();
  await chmod(root, 0o711);
  const vmId = newId();
  const { disks } = directory.vm(vmId);
  await mkdir(disks, { recursive: true });
  const chain: DiskLayer[] = [];
  for (const [index, name] of ['base', 'middle', 'top'].entries()) {
    const path = join(disks, `${name}.qcow2`);
    const below = chain[0] ? ['-u', '-b', 'nobody-believes-this', '-F', 'qcow2'] : [];
    await runTool(
      'qemu-img',
      'create',
      '-q',
      '-f',
      'qcow2',
      '-o',
      'extended_l2=on',
      ...below,
      path,
      `${sizeMiB}M`,
    );
    const writes = [`write -P ${index + 1} ${index * 4}M 6M`, `write -P ${index + 1} ${20 + index}M 2k`];
    const node = `driver=qcow2,file.driver=file,file.filename=${path}${chain[0] ? ',backing=' : ''}`;
    await runTool('qemu-io', '--image-opts', node, ...writes.flatMap((write) => ['-c', write]));
    chain.unshift({ id: newId(), format: 'qcow2', path: `disks/${name}.qcow2`, shared: false, seal: null });
  }
  return {
    directory,
    vmId,
    chain,
    [Symbol.asyncDispose]: async () => {
      await endStorageDaemons(directory, vmId);
      await directory[Symbol.asyncDispose]();
      await rm(root, { recursive: true });
    },
  };
}

/** Asserts what a guest would read, through the chain as the record has it. */
export async function assertContent(directory: DataDirectory, vmId: string, chain: Chain): Promise<void> {
  const node = chain.toReversed().reduce<object | null>((backing, layer) => {
    const file = { driver: 'file', filename: directory.resolveInVm(vmId, layer.path) };
    return { driver: 'qcow2', file, backing };
  }, null);
  const patterns = ['1 0 4M', '2 4M 4M', '3 8M 6M', '1 20M 2k', '2 21M 2k', '3 22M 2k', '0 30M 1M'];
  const reads = patterns.map((pattern) => `read -P ${pattern}`);
  const output = await runTool(
    'qemu-io',
    '-r',
    ...reads.flatMap((read) => ['-c', read]),
    `json:${JSON.stringify(node)}`,
  );
  assert.doesNotMatch(output, /Pattern verification failed/);
}
