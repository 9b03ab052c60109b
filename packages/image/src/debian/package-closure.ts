/** Which packages have to be unpacked so that a program of one of them runs: read from `apt-cache depends --recurse`. */

/** Package → what it depends on, alternatives included. Real packages that stand behind virtual ones are left out. */
function parseDepends(output: string): ReadonlyMap<string, readonly string[]> {
  const graph = new Map<string, string[]>();
  let current: string[] = [];
  for (const line of output.split('\n')) {
    const dependency = /^ {1,2}\|?(?:Pre)?Depends: ([^<\s]+)$/.exec(line)?.[1];
    if (dependency !== undefined) current.push(dependency);
    else if (/^[^\s<]/.test(line)) {
      current = [];
      graph.set(line.trim(), current);
    }
  }
  return graph;
}

/**
 * The roots and, of what they depend on in any depth, the packages whose names fit `follow`. Others are left out with
 * all that only they need: the guest's agent depends on perl for its installation scripts, which nobody runs.
 *
 * @param dependsOutput of `apt-cache depends --recurse --important ROOTS...`
 * @returns sorted names
 */
export function packageClosure(
  dependsOutput: string,
  roots: readonly string[],
  follow: RegExp,
): readonly string[] {
  const graph = parseDepends(dependsOutput);
  const found = new Set(roots);
  // A set that grows while it is walked: its iterator sees what is added.
  for (const name of found) {
    for (const dependency of graph.get(name) ?? []) if (follow.test(dependency)) found.add(dependency);
  }
  return [...found].toSorted();
}
