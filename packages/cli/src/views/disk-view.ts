/** Reports on disk files for people. */

import { formatSize } from '@corral/core/units';
import type { DetailValue, DiskInfo } from '@corral/disk/disk';
import type { CheckDiskReport } from '@corral/disk/verbs/check-disk';
import type { InspectedLayer, InspectReport } from '@corral/disk/verbs/inspect-disk';
import type { Paint, Tone } from '../render/paint.ts';
import { printable } from '../render/printable.ts';
import { type Fact, renderFacts } from '../render/table.ts';
import { formatYesNo } from '../render/values.ts';

/** The disk at the top, then the chain as a tree, each file indented below the one that rests on it. */
export function inspectText({ layers, problem }: InspectReport, paint: Paint): string {
  const [top] = layers;
  const lines = layers.map((layer, index) => `${treePrefix(index)}${layerLine(layer)}`);
  if (problem) lines.push(`${treePrefix(layers.length)}${paint(printable(problem.message), 'bad')}`);
  const chain = layers.length > 1 || problem ? `\n${paint('Chain', 'strong')}\n${lines.join('\n')}\n` : '';
  return (top ? renderFacts(diskFacts(top), paint) : '') + chain;
}

function treePrefix(depth: number): string {
  return depth === 0 ? '' : `${'   '.repeat(depth - 1)}└─ `;
}

function layerLine({ path, info, occupiedBytes, proved }: InspectedLayer): string {
  const proof = proved === false ? ', not proved by an identity' : '';
  return `${printable(path)}  (${info.format}, ${info.variant}, ${formatSize(info.sizeBytes)}, takes ${formatSize(occupiedBytes)}${proof})`;
}

function diskFacts({ path, info, occupiedBytes }: InspectedLayer): Fact[] {
  return [
    ['File', path],
    ['Format', `${info.format}, ${info.variant}`],
    ['Size', `${formatSize(info.sizeBytes)} (${info.sizeBytes} bytes)`],
    ['File length', `${formatSize(info.fileBytes)}, takes ${formatSize(occupiedBytes)} of the volume`],
    ['Block', formatSize(info.blockBytes)],
    ['Sector', `${info.logicalSectorBytes} logical, ${info.physicalSectorBytes} physical`],
    ...identityFacts(info),
    ['Closed cleanly', { text: formatYesNo(!info.dirty), tone: info.dirty ? 'warn' : undefined }],
    ...Object.entries(info.details).flatMap(([name, value]) => detailFacts(name, value)),
  ];
}

/** A flag that is not set is left out; of several things each has its line. */
function detailFacts(name: string, value: DetailValue): Fact[] {
  if (value === null || value === false) return [];
  const title = inWords(name);
  if (Array.isArray(value)) {
    return [[title, value.map(detailText)]];
  }
  return [[title, detailText(value)]];
}

/** `fileWriteId` → `File write id` */
function inWords(name: string): string {
  const words = name.replace(/(?<=[a-z0-9])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function identityFacts({ identity }: DiskInfo): Fact[] {
  const facts: Fact[] = [];
  if (identity.id !== undefined) facts.push(['Disk id', identity.id]);
  if (identity.dataWriteId !== undefined) facts.push(['Content id', identity.dataWriteId]);
  return facts;
}

function detailText(value: DetailValue): string {
  if (value === true) return formatYesNo(value);
  if (typeof value !== 'object' || value === null) return printable(String(value));
  const parts = Object.entries(value).map(
    ([name, part]) => `${inWords(name).toLowerCase()} ${detailText(part)}`,
  );
  return parts.join(', ');
}

const tones: Readonly<Record<string, Tone>> = { corruption: 'bad', leak: 'warn', note: 'dim' };

export function checkText(report: CheckDiskReport, paint: Paint): string {
  const lines = report.problems.map(({ kind, message, repaired }) => {
    const text = `${paint(kind, tones[kind])}: ${printable(message)}`;
    return repaired ? `${text} ${paint('(repaired)', 'good')}` : text;
  });
  const more = report.problemCount - report.problems.length;
  if (more > 0) lines.push(`and ${more} more`);
  if (report.chainProblem) lines.push(`${paint('chain', 'bad')}: ${printable(report.chainProblem.message)}`);
  const held = `${report.format}, ${formatSize(report.allocatedBytes)} of data`;
  lines.push(report.ok ? `${paint('Sound', 'good')}: ${held}.` : `${paint('Not sound', 'bad')}: ${held}.`);
  return `${lines.join('\n')}\n`;
}
