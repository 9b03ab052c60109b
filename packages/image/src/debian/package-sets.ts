/** The sets of Debian packages that Corral unpacks into its cache. */
import { join } from 'node:path';
import type { PackageSetRequest } from './package-set.ts';

/** The micro guest: a kernel, busybox, the agent, and the libraries that the agent links. */
export function guestPackages(cacheDirectory: string): PackageSetRequest {
  return {
    folder: join(cacheDirectory, 'guest'),
    roots: ['busybox-static', 'linux-image-cloud-amd64', 'qemu-guest-agent'],
    follow: /^(lib|zlib|linux-image-\d)/,
  };
}

/** What reads NTFS in the helper that looks into backups, and makes it in tests. Its libc is that of the guest's set. */
export function ntfsPackages(cacheDirectory: string): PackageSetRequest {
  return {
    folder: join(cacheDirectory, 'host/ntfs'),
    roots: ['ntfs-3g'],
    follow: /^libntfs-3g/,
  };
}

/** etcd for the tests: installed, Debian's package would start a service. */
export function etcdPackages(cacheDirectory: string): PackageSetRequest {
  return {
    folder: join(cacheDirectory, 'host/etcd-server'),
    roots: ['etcd-client', 'etcd-server'],
    follow: /^$/,
  };
}

/** Signed boot loaders for the tests of Secure Boot: installed, they would become the host's own. */
export function bootLoaderPackages(cacheDirectory: string): PackageSetRequest {
  return {
    folder: join(cacheDirectory, 'host/boot-loaders'),
    roots: ['grub-efi-amd64-signed', 'shim-signed'],
    follow: /^$/,
  };
}
