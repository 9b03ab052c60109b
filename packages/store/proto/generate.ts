/**
 * Makes src/etcd-rpc.gen.ts from etcd.proto. Only for whoever changes that file: the compiler and its plugin come
 * by `npm exec` for the moment (93 MB that nobody else needs), and the outcome is committed. The outcome carries
 * the hash of its source, which a test compares.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const here = import.meta.dirname;
const plugin = {
  version: 'v2',
  plugins: [
    { local: 'protoc-gen-es', out: '.', opt: ['target=ts', 'import_extension=ts', 'erasable_syntax=true'] },
  ],
};
const work = mkdtempSync(join(tmpdir(), 'corral-proto-'));
try {
  const source = readFileSync(join(here, 'etcd.proto'), 'utf8');
  writeFileSync(join(work, 'etcd.proto'), source);
  const packages = ['@bufbuild/buf@1.75.0', '@bufbuild/protoc-gen-es@2.17.0'].map(
    (name) => `--package=${name}`,
  );
  const command = ['buf', 'generate', '--template', JSON.stringify(plugin)];
  execFileSync('npm', ['exec', '--yes', ...packages, '--', ...command], { cwd: work, stdio: 'inherit' });
  const generated = readFileSync(join(work, 'etcd_pb.ts'), 'utf8');
  const hash = createHash('sha256').update(source).digest('hex');
  writeFileSync(join(here, '..', 'src', 'etcd-rpc.gen.ts'), `// sha256 of etcd.proto: ${hash}\n${generated}`);
} finally {
  rmSync(work, { recursive: true });
}
