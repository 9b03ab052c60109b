/**
 * Operations that start or end the QEMU of their VM on purpose. When one of them is unfinished and the process is gone,
 * it knows itself what that means; with any other, QEMU died.
 */
const kinds: ReadonlySet<string> = new Set([
  'vm.start',
  'vm.stop',
  'vm.shutdown',
  'vm.save',
  'checkpoint.apply',
]);

/** Ids of the VMs whose QEMU an unfinished operation starts or ends. Pure. */
export function vmsWithOwnedQemu(
  unfinished: readonly { readonly kind: string; readonly targets: readonly string[] }[],
): Set<string> {
  const owning = unfinished.filter(({ kind }) => kinds.has(kind));
  return new Set(owning.flatMap(({ targets }) => targets.map((target) => target.replace(/^vm\//, ''))));
}
