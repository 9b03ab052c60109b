/**
 * The tiers of the tests: `unit` lies beside the code, `rules` is test/rules.test.ts, and each folder under test/ is
 * one more. A filter is `TIER` or `TIER/START-OF-PATH`.
 */
import { globSync, readdirSync } from 'node:fs';

export interface Tier {
  readonly name: string;
  /** Paths relative to the project. */
  readonly files: readonly string[];
  /** Short tests without a guest; they come first. */
  readonly isQuick: boolean;
  /** A file that takes longer is ended and has failed. */
  readonly fileLimitMs: number;
}

const minute = 60_000;

/** A guest or a cluster takes minutes; a crash test kills at some hundred points. */
const ordinaryLimitMs = 10 * minute;
const limitsMs: Readonly<Record<string, number>> = {
  unit: minute,
  rules: minute,
  crash: 40 * minute,
};

/** What takes longest begins first, so that no processor is idle while the last file ends. */
const longest = [
  'test/guest/debian.test.ts',
  'test/crash/daemon-killed/vms.test.ts',
  'test/guest/uefi.test.ts',
  'test/crash/daemon-killed/restores.test.ts',
  'test/guest/vm-life.test.ts',
  'test/guest/restore.test.ts',
  'test/guest/restore-instant.test.ts',
  'test/crash/qemu-killed/checkpoints.test.ts',
  'test/crash/daemon-killed/checkpoints.test.ts',
  'test/guest/backup-story.test.ts',
  'test/crash/qemu-killed/machines.test.ts',
  'test/crash/qemu-killed/backups.test.ts',
];

const isTest = (path: string): boolean => /\.test\.(ts|mjs)$/.test(path);

function tier(name: string, files: readonly string[]): Tier {
  // What is sampled otherwise is whole then: the story of backups takes half an hour on a busy machine.
  const longer = process.env['CORRAL_TEST_ALL'] === '1' ? 6 : 1;
  const fileLimitMs = longer * (limitsMs[name] ?? ordinaryLimitMs);
  const tests = files.filter(isTest).toSorted();
  return { name, files: tests, isQuick: name === 'unit' || name === 'rules', fileLimitMs };
}

/** @param root the project */
export function findTiers(root: string): readonly Tier[] {
  const find = (pattern: string): readonly string[] =>
    globSync(pattern, { cwd: root, exclude: (path) => path === 'node_modules' });
  const folders = readdirSync(`${root}/test`, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .toSorted();
  return [
    tier('unit', find('packages/*/src/**/*.test.*')),
    tier('rules', find('test/*.test.ts')),
    ...folders.map((folder) => tier(folder, find(`test/${folder}/**/*.test.*`))),
  ].filter(({ files }) => files.length > 0);
}

/** The path that a filter's second part is compared with: without the folder that the tier's name already says. */
function shortPath(file: string): string {
  return file.startsWith('packages/')
    ? file.slice('packages/'.length)
    : file.replace(/^test\/(?:[^/]+\/)?/, '');
}

/**
 * The tiers, and in them the files, that the filters name; all of them without a filter.
 *
 * @throws Error if a filter names nothing: a typing error must not look like a success.
 */
export function selectTiers(tiers: readonly Tier[], filters: readonly string[]): readonly Tier[] {
  if (filters.length === 0) return tiers;
  const matches = (filter: string, name: string, file: string): boolean => {
    const [wanted, ...rest] = filter.split('/');
    return wanted === name && shortPath(file).startsWith(rest.join('/'));
  };
  for (const filter of filters) {
    if (!tiers.some(({ name, files }) => files.some((file) => matches(filter, name, file)))) {
      throw new Error(
        `No test fits "${filter}". The tiers are ${tiers.map(({ name }) => name).join(', ')}; ` +
          'a path below one is named as in "guest/boot".',
      );
    }
  }
  return tiers
    .map((each) => ({
      ...each,
      files: each.files.filter((file) => filters.some((filter) => matches(filter, each.name, file))),
    }))
    .filter(({ files }) => files.length > 0);
}

export interface TestFile {
  readonly path: string;
  readonly limitMs: number;
}

/** The files of several tiers in the order in which they begin. */
export function filesInOrder(tiers: readonly Tier[]): TestFile[] {
  const files = tiers.flatMap(({ files, fileLimitMs }) =>
    files.map((path) => ({ path, limitMs: fileLimitMs })),
  );
  const rank = ({ path }: TestFile): number =>
    longest.includes(path) ? longest.indexOf(path) : longest.length;
  return files.toSorted((a, b) => rank(a) - rank(b));
}
