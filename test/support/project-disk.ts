/** A disk that brings the project's sources and its Node into a guest. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { projectNode, projectRoot } from '../../tools/node-path.mjs';

const execute = promisify(execFile);

/** Those whose sources the scripts in `in-guest` run. */
const packages = ['core', 'host'];

/** Writes an ext4 file system: `node`, and the project below `project`. */
export async function writeProjectDisk(path: string): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'corral-project-'));
  try {
    const root = join(scratch, 'root');
    const project = join(root, 'project');
    await mkdir(join(project, 'node_modules/@corral'), { recursive: true });
    await cp(projectNode(), join(root, 'node'));
    await cp(join(projectRoot, 'test/support/in-guest'), join(project, 'in-guest'), { recursive: true });
    for (const name of packages) {
      await cp(join(projectRoot, 'packages', name), join(project, 'packages', name), { recursive: true });
      await symlink(`../../packages/${name}`, join(project, 'node_modules/@corral', name));
    }
    await execute('mke2fs', [
      '-q',
      '-F',
      '-t',
      'ext4',
      '-L',
      'project',
      '-O',
      '^has_journal',
      '-d',
      root,
      path,
      '192M',
    ]);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
