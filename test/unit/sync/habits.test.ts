/**
 * Real programs change one side as they are used to. A reader on the other side looks at every file all the time and
 * never sees what was no whole version; in the end both sides are equal, though nothing but hints finds a change.
 */
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { linkSync, symlinkSync, writeFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, expect, test } from 'vitest';
import { providePrograms } from '../../../setup/programs.ts';
import { launch } from '../../support/disk.ts';
import { contentsOf, diskPair, type DiskPair } from '../../support/disk-pair.ts';
import { madeOnce, python } from '../../support/python.ts';
import { logLine, version } from '../../support/versions.ts';

beforeAll(() => providePrograms(['vim', 'git'], process.env));

/** What an editor may leave a file empty for and it is not taken for its content, less what the looks themselves take. */
const EMPTY_HOLD = 40;
const EMPTY = hash('sha256', '');

interface Scene {
  readonly pair: DiskPair;
  /** Of the side that is changed. */
  readonly root: string;
  /** `content` is a whole version of some file. */
  readonly known: (content: string | Uint8Array) => void;
  readonly run: (program: string, ...args: readonly string[]) => Promise<unknown>;
  /** The other side has become equal, by hints alone, and was never seen in part. */
  readonly over: () => Promise<void>;
}

/**
 * `mayBeEmpty`: files that the program itself makes or truncates under their own name and fills a moment later. Where it is
 * held up in between for longer than an empty file is waited for, that is what stands there. No other is ever empty.
 */
async function scene(
  side: 'host' | 'container',
  files: Readonly<Record<string, string>>,
  mayBeEmpty: (path: string) => boolean,
): Promise<Scene> {
  const pair = await diskPair({ files, hintsOnly: true });
  const { root } = pair[side];
  const reader = launch('read-whole.ts', [pair[side === 'host' ? 'container' : 'host'].root]);
  await once(reader.stdout, 'data');
  const whole = new Set<string>();
  const known = (content: string | Uint8Array) => void whole.add(hash('sha256', content));
  for (const content of Object.values(files)) known(content);
  return {
    pair,
    root,
    known,
    run: (program, ...args) => execa(program, args, { cwd: root, env: { TERM: 'dumb' } }),
    over: async () => {
      await pair.equal();
      const { reads, seen } = (await reportOf(reader)) as { reads: number; seen: [string, string][] };
      expect(reads).toBeGreaterThan(Object.keys(files).length);
      const isWhole = (digest: string, path: string) => (digest === EMPTY ? mayBeEmpty(path) : whole.has(digest));
      expect(seen.filter(([digest, path]) => !isWhole(digest, path))).toEqual([]);
      expect(pair.events.filter(({ event }) => event === 'conflict' || event === 'halted')).toEqual([]);
    },
  };
}

/** Ends a program; what it says last. */
async function reportOf({ stdin, stdout }: ReturnType<typeof launch>): Promise<unknown> {
  stdin.end();
  return JSON.parse((await stdout.setEncoding('utf8').toArray()).join('')) as unknown;
}

test.each(['yes', 'no', 'auto', 'auto,breaksymlink', 'yes,breakhardlink'])('vim, backupcopy=%s', async (backupcopy) => {
  const files = { 'pkg/score.py': version(0), 'pkg/real.py': version(1) };
  // Whatever it does with the old file, it fills one that has the name already; with 4913 it tries what it may in the folder.
  const mayBeEmpty = (path: string) => /^pkg\/(\w+\.py|4913)$/.test(path);
  const { root, known, run, over, pair } = await scene('host', files, mayBeEmpty);
  symlinkSync('real.py', `${root}/pkg/linked.py`);
  writeFileSync(`${pair.host.base}/elsewhere.py`, version(2));
  linkSync(`${pair.host.base}/elsewhere.py`, `${root}/pkg/hard.py`);
  known(version(2));
  for (const name of ['score.py', 'linked.py', 'hard.py', 'score.py', 'linked.py', 'hard.py', 'score.py']) {
    const path = `${root}/pkg/${name}`;
    const line = `written by ${backupcopy} into ${name} ${Math.random()}`;
    const edited = [line, ...readFileSync(path, 'utf8').split('\n').slice(1)].join('\n');
    known(edited);
    const commands = [
      'set nocompatible fsync swapfile backup writebackup',
      `set backupcopy=${backupcopy}`,
      `call setline(1, '${line}')`,
      'wq',
    ];
    await run('vim', '-u', 'NONE', '-es', ...commands.flatMap((command) => ['-c', command]), path);
    expect(readFileSync(path, 'utf8')).toBe(edited);
  }
  await over();
});

test('VS Code, JetBrains, a script that rewrites its file, and a growing log, all at once and without rest', async () => {
  const names = { truncate: 'a.py', backup: 'b.py', rewrite: 'c.dat', log: 'd.log' };
  const files = Object.fromEntries(
    Object.values(names).map((name) => [name, name.endsWith('.log') ? logLine(0) : version(0)]),
  );
  let empty = 0;
  // VS Code truncates, and says for how long; JetBrains renames over; the other two are never empty.
  const mayBeEmpty = (path: string) => path === names.truncate && empty > EMPTY_HOLD;
  const { root, known, pair, over } = await scene('container', files, mayBeEmpty);
  const programs = Object.entries(names).map(([how, name]) => ({
    how,
    child: launch('save.ts', [how, `${root}/${name}`]),
  }));
  await Promise.all(programs.map(({ child }) => once(child.stdout, 'data')));
  const told = (name: string) => pair.events.filter((each) => each.event === 'synced' && each.path === name).length;
  while (Object.values(names).some((name) => told(name) < 25)) await pair.next();
  for (const { how, child } of programs) {
    const report = (await reportOf(child)) as { count: number; empty: number };
    empty = Math.max(empty, report.empty);
    for (let n = 1; n <= report.count; n++) known(how === 'rewrite' ? version(n).padEnd(8192) : version(n));
  }
  await over();
});

test('sed -i', async () => {
  const files = { 'score.py': version(0), 'helper.py': version(0) };
  // It renames over: what it fills is a file of another name.
  const { known, run, over } = await scene('host', files, (path) => /^sed\w{6}$/.test(path));
  for (let n = 0; n < 10; n++) {
    known(version(0).replaceAll('version 0', `version ${n + 1}`));
    await run('sed', '-i', `s/version ${n}/version ${n + 1}/`, 'score.py', 'helper.py');
  }
  await over();
});

const FILES = 1000;
const pathOf = (n: number) => `src/p${n % 40}/f${n}.py`;
const contentOf = (n: number, of: string) => version(n % 50) + `# file ${n} of ${of}\n`;

/** Branches of a big repository; `feature` and `two` come from `one` and have no file in common that they change. */
function branches(): { stream: string; contents: string[] } {
  const contents: string[] = [];
  const modify = (n: number, of: string) => {
    const content = contentOf(n, of);
    contents.push(content);
    return `M 100644 inline ${pathOf(n)}\ndata ${content.length}\n${content}\n`;
  };
  const commit = (branch: string, from: string | null, changes: readonly string[]) =>
    `commit refs/heads/${branch}\ncommitter t <t@t> 1 +0000\ndata 1\nx\n${from === null ? '' : `from refs/heads/${from}\n`}${changes.join('')}\n`;
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, k) => from + k);
  const stream = [
    commit(
      'one',
      null,
      range(0, FILES).map((n) => modify(n, 'one')),
    ),
    commit('two', 'one', [
      ...range(0, 600).map((n) => modify(n, 'two')),
      ...range(600, 700).map((n) => `D ${pathOf(n)}\n`),
      ...range(FILES, FILES + 100).map((n) => modify(n, 'two')),
    ]),
    ...range(0, 4).map((k) =>
      commit(
        'feature',
        k === 0 ? 'one' : null,
        range(700 + 50 * k, 750 + 50 * k).map((n) => modify(n, `feature ${k}`)),
      ),
    ),
  ].join('');
  return { stream, contents };
}

test('git: checkout of 1,000 files back and forth, rebase, stash', async () => {
  // It unlinks the old file and fills a new one under the same name; what it does not change it does not touch. `sed` renames.
  const mayBeEmpty = (path: string) => path.startsWith('src/');
  const { root, known, run, over, pair } = await scene('host', { 'score.py': version(0) }, mayBeEmpty);
  const git = (...args: string[]) => run('git', '-c', 'user.name=t', '-c', 'user.email=t@t', ...args);
  const { stream, contents } = branches();
  for (const content of contents) known(content);
  await git('init', '-q', '-b', 'empty');
  await execa('git', ['fast-import', '--quiet'], { cwd: root, input: stream });
  await git('checkout', '-q', 'one');
  await pair.equal();
  await git('checkout', '-q', 'two');
  await git('checkout', '-q', 'one');
  await git('checkout', '-q', 'two');
  await pair.equal();
  await git('checkout', '-q', 'feature');
  await git('rebase', '-q', 'two');
  await pair.equal();
  const edited = Array.from({ length: 40 }, (_, k) => pathOf(k));
  for (const path of edited) known(readFileSync(join(root, path), 'utf8').replace('end of', 'end, edited, of'));
  await run('sed', '-i', 's/end of/end, edited, of/', ...edited);
  await git('stash', '-q');
  await pair.equal();
  await git('stash', 'pop', '-q');
  await over();
});

test('pip install -t, and an upgrade', async () => {
  const pip = [(await python()).path, '-m', 'pip'] as const;
  const releases = ['gunicorn==20.1.0', 'gunicorn==23.0.0'];
  const wheels = await madeOnce('wheels', async (made) => {
    for (const release of releases)
      await execa(pip[0], ['-m', 'pip', 'download', '-q', '--no-deps', '-d', made, release]);
  });
  const files = Object.fromEntries(Array.from({ length: 80 }, (_, n) => [`src/f${n}.py`, version(n)]));
  // It unpacks elsewhere and renames whole folders to here: only what is empty in a release is ever empty.
  const empty = new Set<string>();
  const { root, known, run, over, pair } = await scene('container', files, (path) => empty.has(path));
  for (const release of releases) {
    const from = ['--no-index', '--find-links', wheels, '--no-deps', '--root-user-action=ignore'];
    await run(...pip, 'install', '-q', ...from, '--upgrade', '-t', `${root}/packages`, release);
    const installed = await contentsOf(pair.container);
    for (const path of Object.keys(installed)) {
      const content = await pair.container.outside.read(path);
      if (content?.length === 0) empty.add(path);
      else if (content !== null) known(content);
    }
    await pair.equal();
  }
  await over();
});
