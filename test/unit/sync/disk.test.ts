/** The session between two real folders. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { disk, folder, mapper, provenBy } from '../../support/disk.ts';
import { diskPair } from '../../support/disk-pair.ts';
import type { Folder } from '../../support/folder.ts';
import { sha256 } from '../../support/trees.ts';

const text = async (folder: Folder, path: string) => {
  const data = await folder.outside.read(path);
  return data === null ? null : Buffer.from(data).toString();
};

test('the first round fills the empty folder, edits travel both ways, nothing of ours stays', async () => {
  const { session, host, container, synced } = await diskPair({
    files: { 'score.py': 'v1', 'lib/clean.py': 'v1', '.env': 'secret' },
  });
  expect(await container.outside.list()).toEqual(['lib', 'lib/clean.py', 'score.py']);
  await host.outside.writeOver('score.py', Buffer.from('v2'));
  await synced('score.py', 'container');
  expect(await text(container, 'score.py')).toBe('v2');
  await container.outside.write('lib/clean.py', Buffer.from('v2'));
  await synced('lib/clean.py', 'host');
  await container.outside.mkdir('new');
  await container.outside.write('new/large', Buffer.alloc(300_000, 'x'));
  await synced('new/large', 'host');
  await host.outside.remove('lib');
  await synced('lib', 'container');
  await session.settleOnce();
  expect(await container.outside.list()).toEqual(['new', 'new/large', 'score.py']);
  expect((await host.outside.list()).filter((path) => !path.endsWith('.ign'))).toEqual([
    '.env',
    'new',
    'new/large',
    'score.py',
  ]);
});

test('an edit on both sides at once keeps both', async () => {
  const { session, host, container } = await diskPair({ files: { 'score.py': 'v1' } });
  await Promise.all([
    writeFile(join(host.root, 'score.py'), 'ours'),
    writeFile(join(container.root, 'score.py'), 'theirs, longer'),
  ]);
  await session.settleOnce();
  const kept = `score.conflict-container-${sha256('theirs, longer').slice(0, 8)}.py`;
  for (const folder of [host, container]) {
    expect(await text(folder, 'score.py')).toBe('ours');
    expect(await text(folder, kept)).toBe('theirs, longer');
  }
});

test('an edit of a file that is written through a mapping under the stamp that it had keeps both', async () => {
  const there = await folder();
  const content = (letter: string) => letter.padEnd(4096, '.');
  await there.outside.write('m.dat', Buffer.from(content('a')));
  const write = await mapper(join(there.root, 'm.dat'));
  await write('b');
  const endpoint = await disk(there.root);
  const { session, host, container } = await diskPair({ container: { ...there, endpoint } });
  await provenBy(endpoint, 1);
  await write('c');
  await host.outside.writeOver('m.dat', Buffer.from('ours'));
  await session.settleOnce();
  const kept = `m.conflict-container-${sha256(content('c')).slice(0, 8)}.dat`;
  for (const side of [host, container]) {
    expect(await text(side, 'm.dat')).toBe('ours');
    expect(await text(side, kept)).toBe(content('c'));
  }
});

test('hundreds of files at once, and a folder that moves', async () => {
  const files = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`d/f${n}`, `content ${n}`]));
  const { session, host, container, synced } = await diskPair({ files });
  await host.outside.rename('d', 'moved');
  await synced('moved/f299', 'container');
  await session.settleOnce();
  expect(await container.outside.list()).toEqual(await host.outside.list());
  expect(await text(container, 'moved/f7')).toBe('content 7');
});
