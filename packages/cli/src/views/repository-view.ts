/** Repositories for people. */
import type {
  Repository,
  RepositoryCheckReport,
  RepositoryKey,
  RepositoryPlace,
  RepositoryPrunePreview,
  RepositoryPruneResult,
  RepositoryRepairResult,
  RepositoryStatistics,
  RetentionRules,
} from '@corral/api/schemas/repository';
import { formatSize } from '@corral/core/units';
import type { Paint } from '../render/paint.ts';
import { type Column, type Fact, renderFacts, renderTable } from '../render/table.ts';
import { formatTime } from '../render/values.ts';

const columns: readonly Column<Repository>[] = [
  { head: 'NAME', cell: ({ name }) => name },
  { head: 'PLACE', cell: ({ place }) => placeText(place) },
  { head: 'ENCRYPTED', cell: ({ encrypted }) => (encrypted ? 'yes' : 'no') },
  { head: 'KEEPS', cell: ({ retention }) => rulesText(retention) },
  { head: 'POLICY', cell: policyText },
];

export function repositoryTable(repositories: readonly Repository[], paint: Paint): string {
  return renderTable(repositories, columns, paint);
}

export function repositoryDetails(repository: Repository, paint: Paint): string {
  return renderFacts(factsOf(repository), paint);
}

export function repositoryFigures(
  { statistics, ...repository }: Repository & { readonly statistics: RepositoryStatistics },
  paint: Paint,
): string {
  const { points, virtualMachines, storedBytes, logicalBytes, savedBytes, unneededBytes } = statistics;
  const facts: Fact[] = [
    ['Backups', `${points} of ${virtualMachines} VMs`],
    ['Stored', formatSize(storedBytes)],
    ['Logical', formatSize(logicalBytes)],
    ['Saved', formatSize(savedBytes)],
    ['Not needed', formatSize(unneededBytes)],
  ];
  return renderFacts([...factsOf(repository), ...facts], paint);
}

function factsOf(repository: Repository): Fact[] {
  return [
    ['Name', repository.name],
    ['Id', repository.id],
    ['Connected', formatTime(repository.createdAt)],
    ['Repository', repository.repositoryId],
    ['Place', placeText(repository.place)],
    ['Encrypted', repository.encrypted ? 'yes' : 'no'],
    ['Keeps', rulesText(repository.retention)],
    ['Policy', policyText(repository)],
  ];
}

function placeText(place: RepositoryPlace): string {
  return place.kind === 'directory' ? place.path : place.url;
}

function rulesText(rules: RetentionRules): string {
  const given = Object.entries(rules).filter(([, count]) => count !== undefined);
  return given.length === 0 ? 'all' : given.map(([rule, count]) => `${count} ${rule}`).join(', ');
}

function policyText({ appendOnly, lockDays }: Repository): string {
  const parts = [
    ...(appendOnly ? ['append-only'] : []),
    ...(lockDays > 0 ? [`locked ${lockDays} days`] : []),
  ];
  return parts.length === 0 ? '-' : parts.join(', ');
}

const keyColumns: readonly Column<RepositoryKey>[] = [
  { head: 'ID', cell: ({ id }) => id },
  { head: 'NAME', cell: ({ name }) => name },
  { head: 'KIND', cell: ({ kind }) => kind },
  { head: 'CREATED', cell: ({ createdAt }) => formatTime(createdAt) },
  { head: 'OF THIS HOST', cell: ({ current }) => (current ? 'yes' : '') },
];

export function keyTable(keys: readonly RepositoryKey[], paint: Paint): string {
  return renderTable(keys, keyColumns, paint);
}

export function checkText(report: RepositoryCheckReport, paint: Paint): string {
  const { points, packs, provedBytes, problems, problemCount } = report;
  const read = provedBytes > 0 ? `, ${formatSize(provedBytes)} read and proved` : '';
  const facts: Fact[] = [
    ['Checked', `${points} backups, ${packs} packs${read}`],
    ['Result', report.sound ? { text: 'sound', tone: 'good' } : { text: 'damaged', tone: 'bad' }],
  ];
  if (problemCount > 0) {
    const shown = problems.map(({ object, kind, detail }) => `${kind}: ${object}: ${detail}`);
    facts.push(['Problems', [...shown, ...more(problemCount, shown.length)]]);
  }
  return renderFacts([...facts, ...harmFacts(report)], paint);
}

function harmFacts({
  harmed,
  harmedCount,
  unreadable,
}: Pick<RepositoryCheckReport, 'harmed' | 'harmedCount' | 'unreadable'>): Fact[] {
  const lines = harmed.map(
    ({ vm, name, createdAt, disks, lostBytes }) =>
      `${vm}, ${name}, ${formatTime(createdAt)}: ${formatSize(lostBytes)} of ${disks.join(', ')}`,
  );
  const facts: Fact[] = [];
  if (lines.length > 0) facts.push(['Backups harmed', [...lines, ...more(harmedCount, lines.length)]]);
  if (unreadable.length > 0) facts.push(['Not readable', unreadable]);
  return facts;
}

function more(count: number, shown: number): string[] {
  return count > shown ? [`and ${count - shown} more`] : [];
}

export function prunePreviewText(preview: RepositoryPrunePreview, paint: Paint): string {
  const { backups, deletedPacks, deletedPoints, freedBytes, lockedPoints } = preview;
  const lines = backups.map(({ createdAt, name, vm }) => `${vm}, ${name}, ${formatTime(createdAt)}`);
  const facts: Fact[] = [
    ['Would delete', deletedPoints === 0 ? 'no backup' : [...lines, ...more(deletedPoints, lines.length)]],
    ['Would free', `about ${formatSize(freedBytes)} in ${deletedPacks} packs`],
  ];
  if (lockedPoints > 0) facts.push(['Kept by a lock', `${lockedPoints} backups`]);
  return renderFacts(facts, paint);
}

export function pruneText(result: RepositoryPruneResult, paint: Paint): string {
  const { deletedPoints, lockedPoints, deletedPacks, freedBytes, waitingPacks } = result;
  const facts: Fact[] = [
    ['Backups deleted', String(deletedPoints)],
    ['Freed', `${formatSize(freedBytes)} in ${deletedPacks} packs`],
  ];
  if (lockedPoints > 0) facts.push(['Kept by a lock', `${lockedPoints} backups`]);
  if (waitingPacks > 0)
    facts.push(['Waiting', `${waitingPacks} packs that a running backup may need; prune again later`]);
  return renderFacts(facts, paint);
}

export function repairText(result: RepositoryRepairResult, paint: Paint): string {
  const facts: Fact[] = [
    ['Saved', `${result.salvagedBlobs} blocks out of damaged packs`],
    ['Given up', `${result.droppedPacks} packs, ${result.droppedSegments} pieces of the index`],
    ['Listed again', `${result.relistedPacks} packs`],
    ['Backups removed', result.removedPoints],
  ];
  const { harmed } = result;
  return renderFacts([...facts, ...harmFacts({ harmed, harmedCount: harmed.length, unreadable: [] })], paint);
}
