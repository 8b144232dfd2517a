/** A file system that knows a name in any spelling, as macOS and Windows have. */
import { lstatSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { checkingWalker } from '../../../shared/disk/walk.ts';
import type { Folder, Walker } from '../../../shared/disk/walk.ts';
import { DIR, file, plain } from '../../contract/endpoint.ts';
import { disk, folder, make, watched } from '../../support/disk.ts';

/** Leads each name to the entry that is equal to it but for the case. */
function blind(real: Folder): Folder {
  const spelled = (name: string) =>
    readdirSync(real.here).find((entry) => entry.toLowerCase() === name.toLowerCase()) ?? name;
  return {
    stat: real.stat,
    fd: real.fd,
    here: real.here,
    at: (name) => real.at(spelled(name)),
    verify: () => real.verify(),
    close: () => real.close(),
  };
}

const walker: Walker = {
  open: (path) => blind(checkingWalker.open(path)),
  enter: (above, name) => blind(checkingWalker.enter(above, name)),
};

test('what stands there in another spelling is neither replaced nor deleted nor gone through', async () => {
  const { root } = await folder();
  writeFileSync(`${root}/Score.py`, 'x');
  const endpoint = await disk(root, { walker });
  expect(endpoint.info.caseSensitive).toBe(false);
  for (const [before, after] of [
    [null, file('new')],
    [file('x'), file('new')],
    [file('x'), null],
    [null, DIR],
  ] as const) {
    expect(await make(endpoint, { path: 'score.py', before, after }, 'new')).toMatchObject({
      result: 'failed',
      reason: 'name',
    });
  }
  expect(readFileSync(`${root}/Score.py`, 'utf8')).toBe('x');
  expect(plain((await endpoint.scan()).root)).toEqual({ 'Score.py': file('x') });
});

test('a rename to another spelling is told as one file gone and one come', async () => {
  const { root } = await folder();
  writeFileSync(`${root}/score.py`, 'x');
  const endpoint = await disk(root, { walker });
  const news = await watched(endpoint);
  renameSync(`${root}/score.py`, `${root}/Score.py`);
  await news.says('Score.py', file('x'));
  await news.says('score.py', null);
  expect(plain((await endpoint.scan()).root)).toEqual({ 'Score.py': file('x') });
  expect(lstatSync(`${root}/Score.py`).size).toBe(1);
});
