/** Whose files are: as root for another user's folder, and as a user without a single privilege. */
import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { nodeAt } from '../../../shared/core/sync/tree.ts';
import { DIR, file } from '../../contract/endpoint.ts';
import { USER, disk, folder, isRoot, make, program } from '../../support/disk.ts';

const OTHER = { uid: 1234, gid: 1235 };

function facts(path: string) {
  const { uid, gid, mode } = lstatSync(path);
  return isRoot ? { uid, gid, mode: mode & 0o7777 } : { mode: mode & 0o7777 };
}

const as = (mode: number, owner = OTHER) => (isRoot ? { ...owner, mode } : { mode });

function give(path: string, mode: number): void {
  if (isRoot) chownSync(path, OTHER.uid, OTHER.gid);
  chmodSync(path, mode);
}

test.each([
  [0o755, 0o644, 0o755],
  [0o700, 0o600, 0o700],
  [0o775, 0o664, 0o775],
  [0o777, 0o664, 0o775],
  [0o2775, 0o664, 0o775],
])('new entries in a folder of mode %o', async (mode, fileMode, execMode) => {
  const { root } = await folder();
  mkdirSync(`${root}/d`);
  give(`${root}/d`, mode);
  const endpoint = await disk(root);
  await make(endpoint, { path: 'd/f', before: null, after: file('f') }, 'f');
  await make(endpoint, { path: 'd/run', before: null, after: file('f', true) }, 'f');
  await make(endpoint, { path: 'd/sub', before: null, after: DIR });
  await make(endpoint, { path: 'd/sub/f', before: null, after: file('f') }, 'f');
  await make(endpoint, { path: 'd/l', before: null, after: { kind: 'link', target: 'f' } });
  expect(facts(`${root}/d/f`)).toEqual(as(fileMode));
  expect(facts(`${root}/d/run`)).toEqual(as(execMode));
  expect(facts(`${root}/d/sub`)).toEqual(as((mode & 0o2775) | 0o700));
  expect(facts(`${root}/d/sub/f`)).toEqual(as(fileMode));
  expect(facts(`${root}/d/l`)).toMatchObject(isRoot ? OTHER : {});
});

test.each([
  [0o644, false, 0o644],
  [0o644, true, 0o755],
  [0o640, true, 0o750],
  [0o755, false, 0o644],
  [0o600, false, 0o600],
  [0o4755, true, 0o755],
  [0o2711, true, 0o711],
])('a file of mode %o that is replaced by one with exec %s', async (mode, exec, expected) => {
  const { root } = await folder();
  writeFileSync(`${root}/f`, 'old');
  give(`${root}/f`, mode);
  const endpoint = await disk(root);
  const was = (mode & 0o100) !== 0;
  expect(await make(endpoint, { path: 'f', before: file('old', was), after: file('new', exec) }, 'new')).toMatchObject({
    result: 'done',
  });
  expect(facts(`${root}/f`)).toEqual(as(expected));
});

test('the executable bit alone: owner and group stay, set-user-ID goes', async () => {
  const { root } = await folder();
  writeFileSync(`${root}/f`, 'f');
  give(`${root}/f`, 0o640);
  const endpoint = await disk(root);
  await make(endpoint, { path: 'f', before: file('f'), after: file('f', true) });
  expect(facts(`${root}/f`)).toEqual(as(0o750));
});

test('where the folder is root’s, new entries are the named owner’s', async () => {
  const { root } = await folder();
  const endpoint = await disk(root, { owner: OTHER });
  await make(endpoint, { path: 'f', before: null, after: file('f') }, 'f');
  expect(facts(`${root}/f`)).toEqual(as(0o644));
});

test('a user without privileges: what he may not read is opaque, what he may not write fails, the rest goes on', async () => {
  const { root, base } = await folder();
  chmodSync(base, 0o755);
  mkdirSync(`${root}/closed`);
  writeFileSync(`${root}/closed/x`, 'x');
  mkdirSync(`${root}/listed`);
  writeFileSync(`${root}/listed/x`, 'x');
  mkdirSync(`${root}/fixed`);
  writeFileSync(`${root}/fixed/x`, 'x');
  writeFileSync(`${root}/secret`, 's');
  writeFileSync(`${root}/open`, 'o');
  symlinkSync('open', `${root}/link`);
  if (isRoot)
    for (const name of ['', '/closed', '/listed', '/secret', '/open']) chownSync(`${root}${name}`, 1000, 1000);
  chmodSync(`${root}/closed`, 0o000);
  chmodSync(`${root}/listed`, 0o400);
  chmodSync(`${root}/fixed`, 0o555);
  chmodSync(`${root}/secret`, 0o000);
  const answer = await program('unprivileged.ts', [root], USER);
  chmodSync(`${root}/closed`, 0o755);
  chmodSync(`${root}/listed`, 0o755);
  expect(answer).toEqual({
    tree: {
      closed: { kind: 'opaque', reason: 'unreadable' },
      fixed: { x: file('x') },
      link: { kind: 'link', target: 'open' },
      listed: { x: { kind: 'opaque', reason: 'unreadable' } },
      open: file('o'),
      secret: { kind: 'opaque', reason: 'unreadable' },
    },
    outcomes: {
      'closed/x': 'failed no-permission',
      closed: 'refused',
      'fixed/new': 'failed no-permission',
      'fixed/x': 'failed no-permission',
      secret: expect.stringMatching(/^(refused|failed no-permission)$/) as unknown,
      open: 'done',
    },
    told: [],
  });
  expect(readdirSync(`${root}/closed`)).toEqual(['x']);
  expect(readdirSync(root)).not.toContain('.drydock');
});

test('what becomes unreadable and readable again is never told as gone, and comes back whole', async () => {
  const { root, base } = await folder();
  chmodSync(base, 0o755);
  mkdirSync(`${root}/d/e`, { recursive: true });
  for (let index = 0; index < 50; index += 1) writeFileSync(`${root}/d/e/f${index}`, String(index));
  if (isRoot) for (const name of ['', '/d', '/d/e']) chownSync(`${root}${name}`, 1000, 1000);
  const told = (await program('lock-and-unlock.ts', [root], USER)) as { path: string; node: unknown }[];
  expect(told.map(({ path }) => path)).toEqual(['d/e', 'd/e']);
  expect(told[0]?.node).toEqual({ kind: 'opaque', reason: 'unreadable' });
  expect(Object.keys(told[1]?.node ?? {})).toHaveLength(50);
});

test('the tree of another user is the same to root', async () => {
  const { root } = await folder();
  mkdirSync(`${root}/d`);
  writeFileSync(`${root}/d/x`, 'x');
  give(`${root}/d/x`, 0o600);
  give(`${root}/d`, 0o700);
  const endpoint = await disk(root);
  expect(nodeAt((await endpoint.scan()).root, 'd/x')).toEqual(file('x'));
});
