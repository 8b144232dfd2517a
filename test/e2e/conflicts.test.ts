/** What was changed on both sides is listed and settled, on both sides. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { console, drydock, LiveContainer, Workspace } from '../support/live.ts';

const ROOT = '/var/azureml-app';
const FILES = ['a.dat', 'b.dat', 'c.dat'];
const lines = (stdout: string): unknown[] =>
  stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as unknown);

test('each way to settle it, and what it replaces comes back', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  const { app } = workspace;
  const once = (...flags: string[]) =>
    drydock(['sync', container.name, '--dir', app, '--once', '--json', ...flags], workspace);
  const conflicts = (...words: string[]) => drydock(['conflicts', '--dir', app, '--json', ...words], workspace);
  const inside = async () => {
    const line = `cd ${ROOT}; grep -H . *.dat`;
    return (await execa('docker', ['exec', container.id, 'sh', '-c', line])).stdout;
  };
  for (const name of FILES) writeFileSync(join(app, name), `host ${name}\n`);
  const line = `cd ${ROOT}; ${FILES.map((name) => `echo container ${name} >${name}`).join('; ')}`;
  await execa('docker', ['exec', container.id, 'sh', '-c', line]);
  expect((await once('--union')).exitCode).toBe(5);

  const listed = await conflicts();
  expect(listed.exitCode).toBe(5);
  expect(lines(listed.stdout)).toMatchObject(
    FILES.map((path) => ({
      path,
      kept: expect.stringMatching(/^[abc]\.conflict-container-[0-9a-f]{8}\.dat$/) as string,
      host: 11,
      container: 16,
    })),
  );
  expect((await conflicts('d.dat')).exitCode).toBe(2);

  const host = await conflicts('--take', 'host', 'a.dat');
  expect(host.exitCode).toBe(5);
  expect(lines(host.stdout)).toEqual([{ path: 'a.dat', take: 'host', to: null }]);
  expect((await conflicts('--take', 'container', 'b.dat')).exitCode).toBe(5);
  const both = await conflicts('--take', 'both');
  expect(lines(both.stdout)).toEqual([{ path: 'c.dat', take: 'both', to: 'c.container.dat' }]);
  expect(both.exitCode).toBe(0);
  expect((await conflicts()).exitCode).toBe(0);

  expect((await once()).exitCode).toBe(0);
  const expected = ['a.dat:host a.dat', 'b.dat:container b.dat', 'c.container.dat:container c.dat', 'c.dat:host c.dat'];
  expect(await inside()).toBe(expected.join('\n'));
  const names = readdirSync(app).filter((name) => name.endsWith('.dat'));
  expect(names.sort().map((name) => `${name}:${readFileSync(join(app, name), 'utf8').trim()}`)).toEqual(expected);

  // This machine's version of b.dat, which the container's replaced.
  const actions = lines((await drydock(['undo', '--dir', app, '--json'], workspace)).stdout) as {
    id: string;
    path: string;
    side: string;
  }[];
  const replaced = actions.find(({ path, side }) => path === 'b.dat' && side === 'host');
  await drydock(['undo', replaced?.id ?? '', '--dir', app], workspace);
  expect(readFileSync(join(app, 'b.dat'), 'utf8')).toBe('host b.dat\n');
});

test('a folder against a file, a long name, and one that cannot be settled and holds up none', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  const { app } = workspace;
  const once = (...flags: string[]) =>
    drydock(['sync', container.name, '--dir', app, '--once', '--json', ...flags], workspace);
  const settle = (...words: string[]) => drydock(['conflicts', '--dir', app, '--json', ...words], workspace);
  const [twin, other, long] = ['a', 'b', 'c'].map((end) => `${(end === 'c' ? 'y' : 'x').repeat(240)}${end}.dat`);
  if (twin === undefined || other === undefined || long === undefined) throw new Error('three names');
  for (const name of [twin, other, long, 'kind']) writeFileSync(join(app, name), `host ${name}\n`);
  const line = `cd ${ROOT}; for f in "$@"; do echo container >"$f"; done; mkdir kind; echo container >kind/part`;
  await execa('docker', ['exec', container.id, 'sh', '-c', line, 'sh', twin, long]);
  expect((await once('--union')).exitCode).toBe(5);
  const listed = lines((await settle()).stdout) as { path: string; kept: string; container: unknown }[];
  expect(listed.map((conflict) => [conflict.path, conflict.container])).toEqual([
    ['kind', 'folder'],
    [expect.stringMatching(/^x+\.dat$/), 10],
    [long, 10],
  ]);

  const taken = await settle('--take', 'container');
  expect(taken.exitCode).toBe(5);
  expect(lines(taken.stdout)).toEqual([
    { path: 'kind', take: 'container', to: 'kind' },
    { path: listed[1]?.path, take: 'container', error: expect.objectContaining({ code: 'usage' }) as unknown },
    { path: long, take: 'container', to: long },
  ]);
  expect((await settle('--take', 'host')).exitCode).toBe(0);
  expect((await once()).exitCode).toBe(0);
  const inside = await container.exec('sh', '-c', `cd ${ROOT}; cat kind/part "$@"; ls`, 'sh', twin, other, long);
  const names = readdirSync(app).filter((name) => /^([xy]{9}|kind)/.test(name));
  expect(names.sort()).toEqual(['kind', twin, other, long]);
  expect(inside.split('\n').slice(0, 4)).toEqual(['container', `host ${twin}`, `host ${other}`, 'container']);
  expect(inside).not.toContain('conflict');
  expect(readFileSync(join(app, 'kind/part'), 'utf8')).toBe('container\n');
});

test('in the console: both versions line by line, and one key settles', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  const { app } = workspace;
  const words = (n: number, changed: string) =>
    Array.from({ length: 12 }, (_, index) => (index === n ? `${changed}\n` : `line ${index}\n`)).join('');
  const inside = (path: string) => container.exec('cat', `${ROOT}/${path}`);
  writeFileSync(join(app, 'a.txt'), words(5, 'host'));
  writeFileSync(join(app, 'b.txt'), 'host\n');
  const script = `printf '%s' "$1" >${ROOT}/a.txt; echo container >${ROOT}/b.txt`;
  await execa('docker', ['exec', container.id, 'sh', '-c', script, 'sh', words(5, 'container')]);
  await using terminal = console(['attach', container.name, '--dir', app], workspace, { columns: 80, rows: 24 });
  await terminal.waitFor('Your choice');
  terminal.type('u');
  await terminal.waitFor('2 conflicts');
  terminal.type('x');
  await terminal.waitFor('1 of 2  a.txt');
  const screen = await terminal.waitFor('+ container');
  expect(screen).toContain('6 - host');
  expect(screen).toContain('6 + container');
  expect(screen).not.toContain('line 0');
  terminal.type('c');
  await terminal.waitFor('✓ a.txt: the container’s version is in its place');
  await terminal.waitFor('1 of 1  b.txt');
  expect(readFileSync(join(app, 'a.txt'), 'utf8')).toBe(words(5, 'container'));
  await terminal.waitFor('1 + container'); // a version that is not shown yet can't be chosen
  terminal.type('h');
  await terminal.waitFor('✓ b.txt: this machine’s version stays');
  await terminal.waitFor('0 conflicts');
  expect(await inside('b.txt')).toBe('host');
  expect(readdirSync(app).filter((name) => name.includes('conflict'))).toEqual([]);
});
