import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { nodeAt } from '../../../shared/core/sync/tree.ts';
import { checkingWalker } from '../../../shared/disk/walk.ts';
import { DIR, file } from '../../contract/endpoint.ts';
import { disk, folder, isRoot, make, swapper } from '../../support/disk.ts';

test('a parent that is swapped for a link again and again never lets a write or a delete out', async () => {
  const { root, base } = await folder();
  mkdirSync(`${base}/secret`);
  writeFileSync(`${base}/secret/x`, 'secret');
  mkdirSync(`${root}/d`);
  writeFileSync(`${root}/d/x`, 'secret');
  const endpoint = await disk(root);
  const swap = await swapper(`${root}/d`, `${base}/secret`);
  const results = new Set<string>();
  for (let round = 0; round < 400; round += 1) {
    const after = round % 3 === 0 ? null : file('new');
    results.add((await make(endpoint, { path: 'd/x', before: file('secret'), after }, 'new')).result);
    results.add((await make(endpoint, { path: 'd/planted', before: null, after: file('new') }, 'new')).result);
    results.add((await make(endpoint, { path: 'd/planted', before: file('new'), after: null })).result);
    expect(readdirSync(`${base}/secret`)).toEqual(['x']);
    expect(readFileSync(`${base}/secret/x`, 'utf8')).toBe('secret');
  }
  await swap.stop();
  expect(results).toContain('done');
  expect(results).toContain('refused');
});

test.each([
  ['by descriptors', {}],
  ['without', { walker: checkingWalker }],
])('a link in the place of a folder is never entered, %s', async (_, options) => {
  const { root, base } = await folder();
  mkdirSync(`${base}/secret`);
  writeFileSync(`${base}/secret/x`, 'x');
  const endpoint = await disk(root, options);
  symlinkSync(`${base}/secret`, `${root}/d`);
  for (const before of [file('x'), null]) {
    for (const after of [file('new'), DIR, null]) {
      const outcome = await make(endpoint, { path: 'd/x', before, after }, 'new');
      if (before !== null || after !== null) expect(outcome.result).not.toBe('done');
    }
  }
  expect(readFileSync(`${base}/secret/x`, 'utf8')).toBe('x');
  expect(nodeAt((await endpoint.scan()).root, 'd')).toEqual({ kind: 'opaque', reason: 'outside-link' });
});

test('fifos, sockets and devices are opaque, are never opened, and stay', async () => {
  const { root } = await folder();
  execFileSync('mkfifo', [`${root}/fifo`]);
  const server = createServer().listen(`${root}/sock`);
  await once(server, 'listening');
  if (isRoot) execFileSync('mknod', [`${root}/null`, 'c', '1', '3']);
  const endpoint = await disk(root);
  const names = isRoot ? ['fifo', 'sock', 'null'] : ['fifo', 'sock'];
  const { root: tree } = await endpoint.scan();
  for (const name of names) {
    expect(nodeAt(tree, name)).toEqual({ kind: 'opaque', reason: 'special' });
    for (const [before, after] of [
      [null, file('new')],
      [file(''), file('new')],
      [file(''), null],
      [DIR, null],
    ] as const) {
      expect(await make(endpoint, { path: name, before, after }, 'new')).toMatchObject({
        result: 'refused',
        found: { kind: 'opaque', reason: 'special' },
      });
    }
    expect(existsSync(`${root}/${name}`)).toBe(true);
  }
  server.close();
});

test('names that are no UTF-8 are opaque, freeze nothing else, and stay', async () => {
  const { root } = await folder();
  writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0x66, 0xff])]), 'bytes');
  writeFileSync(`${root}/real\uFFFD`, 'a real name');
  writeFileSync(`${root}/x`, 'x');
  const endpoint = await disk(root);
  const { root: tree } = await endpoint.scan();
  expect([...(tree?.children ?? [])].sort()).toEqual([
    ['f\uFFFD', { kind: 'opaque', reason: 'name' }],
    ['real\uFFFD', file('a real name')],
    ['x', file('x')],
  ]);
  expect((await make(endpoint, { path: 'f\uFFFD', before: null, after: DIR })).result).toBe('refused');
  expect(readdirSync(root)).toHaveLength(3);
});

test('the staging folder of another sort of entry is not used', async () => {
  const { root, base } = await folder();
  mkdirSync(`${base}/elsewhere`);
  symlinkSync(`${base}/elsewhere`, `${base}/.drydock-root`);
  const endpoint = await disk(root);
  expect(endpoint.info.writable).toBe(false);
  expect(await make(endpoint, { path: 'x', before: null, after: file('x') }, 'x')).toMatchObject({
    result: 'failed',
    reason: 'read-only',
  });
  expect(readdirSync(`${base}/elsewhere`)).toEqual([]);
  expect(lstatSync(`${base}/.drydock-root`).isSymbolicLink()).toBe(true);
});
