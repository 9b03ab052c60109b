import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCorralError } from '@corral/core/errors';
import type { SchemaEntry } from './commands/machine.ts';
import { QmpClient } from './qmp-client.ts';
import { QmpFeatureCache } from './qmp-feature-cache.ts';
import { QmpFeatures } from './qmp-features.ts';
import { QmpRefusal, startFakeMonitor } from './testing/fake-monitor.ts';

const schema: readonly SchemaEntry[] = [
  {
    name: 'block-export-add',
    'meta-type': 'command',
    'arg-type': '1',
    'ret-type': '0',
    features: ['fine'],
  },
  { name: 'RESET', 'meta-type': 'event', 'arg-type': '0' },
  { name: '0', 'meta-type': 'object', members: [] },
  {
    name: '1',
    'meta-type': 'object',
    members: [{ name: 'type', type: '2' }],
    tag: 'type',
    variants: [
      { case: 'nbd', type: '3' },
      { case: 'fuse', type: '4' },
    ],
  },
  { name: '2', 'meta-type': 'enum', members: [{ name: 'nbd' }, { name: 'fuse' }], values: ['nbd', 'fuse'] },
  { name: '3', 'meta-type': 'object', members: [{ name: 'bitmaps', type: '[5]', default: null }] },
  { name: '4', 'meta-type': 'object', members: [{ name: 'mountpoint', type: 'str' }] },
  { name: '[5]', 'meta-type': 'array', 'element-type': '5' },
  { name: '5', 'meta-type': 'alternate', members: [{ type: 'str' }, { type: '6' }, { type: '2' }] },
  {
    name: '6',
    'meta-type': 'object',
    members: [
      { name: 'node', type: 'str' },
      { name: 'nested', type: '1' },
    ],
  },
  { name: 'str', 'meta-type': 'builtin' },
];

test('commands and events are told apart', () => {
  const features = new QmpFeatures(schema);
  assert.equal(features.hasCommand('block-export-add'), true);
  assert.equal(features.hasCommand('RESET'), false);
  assert.equal(features.hasEvent('RESET'), true);
  assert.equal(features.hasEvent('block-export-add'), false);
  assert.equal(features.hasCommand('1'), false);
});

test('arguments are found through cases, lists and alternatives', () => {
  const features = new QmpFeatures(schema);
  assert.equal(features.hasArgument('block-export-add', 'type'), true);
  assert.equal(features.hasArgument('block-export-add', 'bitmaps', 'node'), true);
  assert.equal(features.hasArgument('block-export-add', 'mountpoint'), true);
  assert.equal(features.hasArgument('block-export-add', 'node'), false);
  assert.equal(features.hasArgument('no-such-command', 'type'), false);
});

test('a type that contains itself ends the walk', () => {
  const path = ['bitmaps', 'nested', 'bitmaps', 'nested', 'type'];
  assert.equal(new QmpFeatures(schema).hasArgument('block-export-add', ...path), true);
});

test('values are found in enumerations, behind lists and alternatives too', () => {
  const features = new QmpFeatures(schema);
  assert.equal(features.hasValue('block-export-add', ['type'], 'fuse'), true);
  assert.equal(features.hasValue('block-export-add', ['type'], 'vduse-blk'), false);
  assert.equal(features.hasValue('block-export-add', ['bitmaps'], 'nbd'), true);
});

test('features of a command are found', () => {
  const features = new QmpFeatures(schema);
  assert.equal(features.hasFeature('block-export-add', 'fine'), true);
  assert.equal(features.hasFeature('block-export-add', 'coarse'), false);
});

test('a binary is asked once, a failure is asked again', async () => {
  let asked = 0;
  await using monitor = await startFakeMonitor({
    'query-qmp-schema': () => {
      asked += 1;
      return asked === 1 ? new QmpRefusal('not now') : schema;
    },
  });
  await using client = await QmpClient.connect(monitor.path);
  const cache = new QmpFeatureCache();
  await assert.rejects(cache.of(client, 'a'), (error) => isCorralError(error, 'qmp.command-failed'));
  const [first, second] = await Promise.all([cache.of(client, 'a'), cache.of(client, 'a')]);
  assert.equal(first, second);
  assert.equal(asked, 2);
  assert.notEqual(await cache.of(client, 'b'), first);
});
