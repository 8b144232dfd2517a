import { openSync, closeSync, writeSync, ftruncateSync, mkdirSync, writeFileSync, readdirSync, rmSync } from 'node:fs';
import { expect, test, onTestFinished } from 'vitest';
import { file } from '../../contract/endpoint.ts';
import { disk, filesLike, folder, make, watched, releaseAll } from '../../support/disk.ts';

function openForWriting(path: string): number {
  const fd = openSync(path, 'r+');
  onTestFinished(() => closeSync(fd));
  return fd;
}

test('a write into a replaced file becomes a conflict copy, and is told', async () => {
  const { root } = await folder();
  writeFileSync(`${root}/a.py`, 'old');
  const endpoint = await disk(root);
  const news = await watched(endpoint);
  const fd = openForWriting(`${root}/a.py`);
  await make(endpoint, { path: 'a.py', before: file('old'), after: file('new') }, 'new');
  writeSync(fd, 'LATE', 0);
  const name = `a.conflict-container-${file('LATE').digest.slice(0, 8)}.py`;
  await news.says(name, file('LATE'));
  expect(filesLike(root, /^a/)).toEqual({ 'a.py': 'new', [name]: 'LATE' });
});

test('a write into a deleted file likewise, where its folder is gone too', async () => {
  const { root } = await folder();
  mkdirSync(`${root}/d`);
  writeFileSync(`${root}/d/a`, 'old');
  const endpoint = await disk(root);
  const fd = openForWriting(`${root}/d/a`);
  await make(endpoint, { path: 'd/a', before: file('old'), after: null });
  await make(endpoint, { path: 'd', before: { kind: 'dir' }, after: null });
  writeSync(fd, 'LATE', 0);
  await endpoint.close();
  expect(Object.values(filesLike(root, /^a\.conflict-container-/))).toEqual(['LATE']);
});

test('a write of the same length within the clock tick is found when the endpoint closes', async () => {
  const { root } = await folder();
  for (let round = 0; round < 20; round += 1) {
    writeFileSync(`${root}/a`, 'old');
    const endpoint = await disk(root);
    const fd = openForWriting(`${root}/a`);
    await make(endpoint, { path: 'a', before: file('old'), after: file('new') }, 'new');
    writeSync(fd, 'l8r', 0);
    await endpoint.close();
    expect(Object.values(filesLike(root, /conflict/))).toEqual(['l8r']);
    for (const name of readdirSync(root)) rmSync(`${root}/${name}`);
  }
});

test('what was never written into leaves nothing behind', async () => {
  const { root, base } = await folder();
  writeFileSync(`${root}/a`, 'old');
  const endpoint = await disk(root);
  const fd = openForWriting(`${root}/a`);
  await make(endpoint, { path: 'a', before: file('old'), after: file('new') }, 'new');
  ftruncateSync(fd, 3);
  await releaseAll(endpoint);
  await endpoint.tidy();
  expect([readdirSync(root), readdirSync(base)]).toEqual([['a'], ['root']]);
  await endpoint.close();
  expect([readdirSync(root), readdirSync(base)]).toEqual([['a'], ['root']]);
});

test('hundreds of replaced files are let go of in time', async () => {
  const { root } = await folder();
  const names = Array.from({ length: 700 }, (_, index) => `f${index}`);
  for (const name of names) writeFileSync(`${root}/${name}`, 'old');
  const endpoint = await disk(root);
  const fd = openForWriting(`${root}/f0`);
  for (const name of names) {
    await make(endpoint, { path: name, before: file('old'), after: file('new') }, 'new');
    if (name === 'f0') writeSync(fd, 'LATE', 0);
  }
  await endpoint.tidy();
  expect(readdirSync('/proc/self/fd').length).toBeLessThan(600);
  expect(Object.values(filesLike(root, /conflict/))).toEqual(['LATE']);
});
