/** What was changed on both sides is listed and settled, on both sides. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { drydock, LiveContainer, sweep, Workspace } from '../support/live.ts';

beforeAll(sweep);
afterAll(sweep);

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
