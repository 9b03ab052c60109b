/** House rules that no compiler checks. Each failure lists the places and says what to do. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { generate as generateErrors } from '../tools/gen/errors.ts';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');

/** Which package may see which: strictly to the left (docs/architecture.md, "Layout"). */
const layers: readonly (readonly string[])[] = [
  ['core'],
  ['api', 'store', 'qmp', 'nbd', 'disk'],
  ['operation', 'image'],
  ['backup'],
  ['host'],
  ['cluster'],
  ['daemon'],
];

/**
 * The ways in stand beside the layers and see the contract alone. `corral disk` works on files where no daemon runs
 * (docs/design/0004-command-line.md).
 */
const clients: ReadonlyMap<string, readonly string[]> = new Map([
  ['cli', ['core', 'api', 'disk']],
  ['console', ['core', 'api']],
]);

const lengthLimit = 400;

/** Files that may be longer, and why. Tables and reference lists are the usual reason. */
const longFiles: ReadonlyMap<string, string> = new Map([
  ['packages/core/src/events.ts', 'the table of all events'],
]);

interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** Tracked files and those that would be if they were added, except the deleted. */
const allFiles: readonly string[] = execFileSync(
  'git',
  ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
  { cwd: root, encoding: 'utf8' },
)
  .split('\0')
  .filter((path) => path !== '' && existsSync(`${root}/${path}`));

const sources: readonly SourceFile[] = allFiles
  .filter((path) => /\.(ts|tsx|mjs)$/.test(path) && !path.endsWith('.gen.ts'))
  .map((path) => ({ path, text: readFileSync(`${root}/${path}`, 'utf8') }));

const packageNames: readonly string[] = readdirSync(`${root}/packages`).filter((name) =>
  existsSync(`${root}/packages/${name}/package.json`),
);

interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly license?: string;
  readonly type?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

function manifest(name: string): Manifest {
  return JSON.parse(readFileSync(`${root}/packages/${name}/package.json`, 'utf8')) as Manifest;
}

function mayImport(from: string): readonly string[] {
  const seen = clients.get(from);
  if (seen) return seen;
  const layer = layers.findIndex((names) => names.includes(from));
  assert.notEqual(
    layer,
    -1,
    `package "${from}" has no place in the layers: give it one in test/rules.test.ts`,
  );
  return layers.slice(0, layer).flat();
}

/** `path:line: text` of every line of code, comments left out, that fits the pattern. */
function findLines(files: readonly SourceFile[], pattern: RegExp): readonly string[] {
  return files.flatMap(({ path, text }) =>
    text
      .split('\n')
      .map((line, index) => ({ line, place: `${path}:${index + 1}: ${line.trim()}` }))
      .filter(({ line }) => !/^\s*(\/\/|\*|\/\*)/.test(line) && pattern.test(line))
      .map(({ place }) => place),
  );
}

function assertNone(found: readonly string[], advice: string): void {
  assert.equal(found.length, 0, `${advice}\n${found.join('\n')}`);
}

function importsOf(text: string): readonly string[] {
  const pattern = /\bfrom\s+'([^']+)'|\bimport\s*\(?\s*'([^']+)'/g;
  return [...text.matchAll(pattern)].map((match) => (match[1] ?? match[2])!);
}

test('imports follow the arrows and are declared', () => {
  const found: string[] = [];
  for (const { path, text } of sources) {
    const from = /^packages\/([^/]+)\//.exec(path)?.[1];
    if (from === undefined) continue;
    const declared = manifest(from);
    for (const specifier of importsOf(text)) {
      const target = /^@corral\/([^/]+)/.exec(specifier)?.[1];
      if (target === undefined || target === from) continue;
      if (!mayImport(from).includes(target)) found.push(`${path} imports ${specifier}`);
      else if (declared.dependencies?.[`@corral/${target}`] === undefined) {
        found.push(`${path} imports ${specifier}, which packages/${from}/package.json does not declare`);
      }
    }
  }
  assertNone(found, 'A package sees only what is left of it in the architecture:');
});

test('dependencies in package.json follow the arrows', () => {
  const found = packageNames.flatMap((name) =>
    Object.keys({ ...manifest(name).dependencies, ...manifest(name).devDependencies })
      .filter((dependency) => dependency.startsWith('@corral/'))
      .map((dependency) => dependency.slice('@corral/'.length))
      .filter((dependency) => !mayImport(name).includes(dependency))
      .map((dependency) => `packages/${name}/package.json depends on @corral/${dependency}`),
  );
  assertNone(found, 'A package depends only on what is left of it in the architecture:');
});

test('packages reach each other by name, never by a relative path', () => {
  const found = sources.flatMap(({ path, text }) => {
    const home = /^packages\/[^/]+\//.exec(path)?.[0];
    if (home === undefined) return [];
    return importsOf(text)
      .filter((specifier) => specifier.startsWith('.'))
      .filter((specifier) => !new URL(specifier, `file:///${path}`).pathname.startsWith(`/${home}`))
      .map((specifier) => `${path} imports ${specifier}`);
  });
  assertNone(found, 'Import another package as "@corral/NAME/FILE":');
});

test('no barrels, no default exports', () => {
  const own = sources.filter(({ path }) => !/(^|\/)vite\.config\.ts$/.test(path));
  assertNone(
    own.filter(({ path }) => /(^|\/)index\.(ts|tsx|mjs)$/.test(path)).map(({ path }) => path),
    'A file is named after what it exports, not "index":',
  );
  assertNone(findLines(own, /^export\s+default\b/), 'Export by name:');
  assertNone(
    findLines(own, /^export\s+(type\s+)?(\*|\{[^}]*\}\s*from\b)/),
    'Import from where a thing is defined:',
  );
});

test('types are not switched off', () => {
  assertNone(
    findLines(sources, /(:|\bas|<|,)\s*any\b(?!\s*[:(])/),
    'No "any": say what it is, or "unknown":',
  );
  const switches = /@ts-(ignore|expect-error|nocheck)|biome-ignore/;
  const found = sources
    .filter(({ path }) => path !== 'test/rules.test.ts')
    .flatMap(({ path, text }) => (switches.test(text) ? [path] : []));
  assertNone(found, 'No directive that silences a check:');
});

test('an error that a callback ignores has a comment above it', () => {
  const pattern = /\.catch\(\s*\(\)\s*=>\s*(\{\s*\}|undefined|null|void 0)\s*\)/;
  const found = sources.flatMap(({ path, text }) => {
    const lines = text.split('\n');
    return lines.flatMap((line, index) =>
      pattern.test(line) && !/^\s*(\/\/|\*)/.test(lines[index - 1] ?? '') ? [`${path}:${index + 1}`] : [],
    );
  });
  assertNone(found, 'Say above the line which error is expected and why nobody needs it, or handle it:');
});

test(`files have at most ${lengthLimit} lines, tests ${lengthLimit * 2}`, () => {
  const lines = new Map(sources.map(({ path, text }) => [path, text.split('\n').length - 1]));
  const limit = (path: string): number => (path.includes('.test.') ? lengthLimit * 2 : lengthLimit);
  const found = [...lines]
    .filter(([path, count]) => count > limit(path) && !longFiles.has(path))
    .map(([path, count]) => `${path}: ${count} lines`);
  assertNone(found, 'Cut the file by duty, or give it a reason in the list of test/rules.test.ts:');
  const stale = [...longFiles.keys()].filter((path) => (lines.get(path) ?? 0) <= limit(path));
  assertNone(stale, 'No longer long, take it off the list:');
});

test('no path of a developer’s machine and no registry host', () => {
  const machine = new RegExp(`${root.replaceAll('.', '\\.')}/|/wor[k]/(main|shared)\\b`);
  const found = allFiles.filter((path) => {
    const content = readFileSync(`${root}/${path}`);
    return !content.includes(0) && machine.test(content.toString('utf8'));
  });
  assertNone(found, 'Take the path relative to the project:');
  const lock = readFileSync(`${root}/package-lock.json`, 'utf8');
  assert.ok(!lock.includes('"resolved": "http'), 'package-lock.json names a registry: see .npmrc');
});

test('every package is private, an ES module and under the Apache License 2.0', () => {
  for (const name of packageNames) {
    const { name: fullName, private: isPrivate, license, type } = manifest(name);
    assert.deepEqual(
      { fullName, isPrivate, license, type },
      { fullName: `@corral/${name}`, isPrivate: true, license: 'Apache-2.0', type: 'module' },
    );
  }
});

test('the changelog has short entries', () => {
  const entries = readdirSync(`${root}/changelog/unreleased`).filter((name) => name.endsWith('.md'));
  assert.ok(entries.length > 0, 'changelog/unreleased has one file for each change that a user sees');
  const long = entries.filter((name) => {
    const { length } = readFileSync(`${root}/changelog/unreleased/${name}`, 'utf8').trim();
    return length === 0 || length > 600;
  });
  assertNone(long, 'One or two plain sentences:');
});

test('every error code is documented, and nothing else is', async () => {
  const codes = (text: string): readonly string[] =>
    [...text.matchAll(/^\| `([^`]+)` \|/gm)].map((match) => match[1]!);
  const expected = codes((await generateErrors()).get('docs/errors.md')!);
  const documented = codes(readFileSync(`${root}/docs/errors.md`, 'utf8'));
  assertNone(
    expected.filter((code) => !documented.includes(code)),
    'Not documented, run "npm run gen":',
  );
  assertNone(
    documented.filter((code) => !expected.includes(code)),
    'Documented but gone, run "npm run gen":',
  );
});

test('tests wait on states and never sleep', () => {
  const tests = sources.filter(({ path }) => path.includes('.test.') && path !== 'test/rules.test.ts');
  const sleep = /new Promise\b.*\bsetTimeout\b|await (setTimeout|delay|sleep)\(|'node:timers\/promises'/;
  assertNone(findLines(tests, sleep), 'Wait until the state is there, with a limit:');
});

test('the list of tests that may not skip names what is there', () => {
  const { files } = JSON.parse(readFileSync(`${root}/test/must-not-skip.json`, 'utf8')) as {
    readonly files: readonly string[];
  };
  assertNone(
    files.filter((path) => !existsSync(`${root}/${path}`)),
    'Take it off test/must-not-skip.json:',
  );
});
