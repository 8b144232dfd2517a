import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { dropStale, movedSince } from '../../../agent/service/bytecode.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'drydock-bytecode-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const cache = () => (existsSync(join(root, '__pycache__')) ? readdirSync(join(root, '__pycache__')) : []);
const source = (name: string, text: string) => writeFileSync(join(root, name), text);
/** Bytecode as Python names it; only its place and time matter here. */
const compile = (name: string) => {
  execFileSync('mkdir', ['-p', join(root, '__pycache__')]);
  writeFileSync(join(root, '__pycache__', `${name}.cpython-311.pyc`), '');
};

test('bytecode made after its source stays', async () => {
  source('a.py', 'v = 1');
  await dropStale(root, new Map());
  // A later tick of the file system's clock.
  utimesSync(join(root, 'a.py'), 1, 1);
  compile('a');
  utimesSync(join(root, '__pycache__', 'a.cpython-311.pyc'), Date.now() / 1000 + 60, Date.now() / 1000 + 60);
  await dropStale(root, new Map());
  expect(cache()).toEqual(['a.cpython-311.pyc']);
});

test('bytecode older than its source goes, and its neighbour’s stays', async () => {
  compile('a');
  compile('ab');
  source('a.py', 'v = 1');
  await dropStale(root, new Map());
  expect(cache()).toEqual(['ab.cpython-311.pyc']);
});

test('bytecode of a source that changed since the last look goes, whatever the clocks say', async () => {
  source('a.py', 'v = 1');
  const { marks } = await dropStale(root, new Map());
  source('a.py', 'v = 2');
  compile('a');
  utimesSync(join(root, '__pycache__', 'a.cpython-311.pyc'), Date.now() / 1000 + 60, Date.now() / 1000 + 60);
  await dropStale(root, marks);
  expect(cache()).toEqual([]);
});

test('a source that moved is told, one that was not looked at is not', async () => {
  source('a.py', 'v = 1');
  const { marks } = await dropStale(root, new Map());
  source('b.py', 'v = 1');
  const paths = [join(root, 'a.py'), join(root, 'b.py')];
  expect(await movedSince(marks, paths)).toBeNull();
  source('a.py', 'v = 22');
  expect(await movedSince(marks, paths)).toBe(paths[0]);
});
