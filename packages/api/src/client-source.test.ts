import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { clientSource } from './client-source.ts';
import { route } from './route.ts';

const params = z.strictObject({ vm: z.string(), disk: z.string() });

const source = clientSource([
  route({
    id: 'vm.disk.re-size',
    method: 'PATCH',
    path: '/v1/vms/{vm}/disks/{disk}',
    summary: 'Resize a disk',
    role: 'operator',
    kind: 'operation',
    params,
    query: z.strictObject({ wait: z.string() }),
    body: z.strictObject({ size: z.int().optional() }),
    mediaType: 'application/merge-patch+json',
    status: 202,
    etag: 'required',
  }),
]);

test('a method has the parameters of its path, then body and query, and fills in the path', () => {
  assert.match(source, /class VmDiskClient \{/);
  assert.match(source, /\/\*\* Resize a disk\. \*\/\n {2}reSize\(/);
  assert.match(
    source,
    /vm: string,\n {4}disk: string,\n {4}body: Body<'vm\.disk\.re-size'> = \{\},\n {4}query: Query/,
  );
  assert.match(source, /path: `\/v1\/vms\/\$\{part\(vm\)\}\/disks\/\$\{part\(disk\)\}`/);
  assert.match(source, /mediaType: 'application\/merge-patch\+json'/);
});

test('a change that needs the generation does not compile without it', () => {
  assert.match(source, /options: ChangeOptions,\n {2}\): Promise<Result<'vm\.disk\.re-size'>>/);
});

test('groups nest as the ids do', () => {
  assert.match(source, /class VmClient \{\n {2}readonly disk: VmDiskClient;/);
  assert.match(source, /export class Client \{\n {2}readonly vm: VmClient;/);
});

test('nothing of the schemas is loaded at run time', () => {
  assert.doesNotMatch(source, /^import \{[^}]*\} from '\.\/(routes|schemas)/m);
  assert.doesNotMatch(source, /zod/);
});
