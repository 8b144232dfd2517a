/** Real file systems of other kinds, mounted where that is allowed; elsewhere only what needs no mount is asserted. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, readdirSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { nodeAt } from '../../../shared/core/sync/tree.ts';
import { DIR, collect, contents, file } from '../../contract/endpoint.ts';
import { disk, filesLike, folder, make, mapper, provenBy, watched } from '../../support/disk.ts';
import { mayMount, mount } from '../../support/mount.ts';

describe.runIf(mayMount())('mounts', () => {
  test('a full disk: the old content stays whole, nothing is left behind, and there is room again', async () => {
    const { root } = await folder();
    mount('-t', 'tmpfs', '-o', 'size=1m', 'none', root);
    writeFileSync(`${root}/a`, 'old');
    const endpoint = await disk(root);
    const big = Buffer.alloc(2_000_000, 'x');
    expect(await make(endpoint, { path: 'a', before: file('old'), after: file(big) }, big)).toMatchObject({
      result: 'failed',
      reason: 'no-space',
    });
    writeFileSync(`${root}/ballast`, Buffer.alloc(900_000));
    const fits = Buffer.alloc(500_000, 'y');
    expect(await make(endpoint, { path: 'b', before: null, after: file(fits) }, fits)).toMatchObject({
      reason: 'no-space',
    });
    expect(readFileSync(`${root}/a`, 'utf8')).toBe('old');
    await endpoint.tidy();
    expect(readdirSync(root).sort()).toEqual(['a', 'ballast']);
    const outcome = await endpoint.apply(
      [
        { path: 'ballast', before: file(Buffer.alloc(900_000)), after: null },
        { path: 'a', before: file('old'), after: file('new') },
      ],
      contents('new'),
    );
    expect(outcome.map(({ result }) => result)).toEqual(['done', 'done']);
  });

  test('a disk that fills up in the middle of a file', async () => {
    const { root } = await folder();
    mount('-t', 'tmpfs', '-o', 'size=8m', 'none', root);
    writeFileSync(`${root}/a`, 'old');
    const endpoint = await disk(root);
    const size = 5_000_000;
    const chunk = Buffer.alloc(1_000_000, 'z');
    const filling = {
      async *open() {
        for (let sent = 0; sent < size; sent += chunk.length) {
          if (sent === 2_000_000) writeFileSync(`${root}/ballast.ign`, Buffer.alloc(4_500_000));
          yield await Promise.resolve(chunk);
        }
      },
    };
    const [outcome] = await endpoint.apply(
      [{ path: 'a', before: file('old'), after: file(Buffer.concat(Array.from({ length: 5 }, () => chunk))) }],
      filling,
    );
    expect(outcome).toMatchObject({ result: 'failed', reason: 'no-space' });
    expect(readFileSync(`${root}/a`, 'utf8')).toBe('old');
    await endpoint.tidy();
    expect(readdirSync(root).sort()).toEqual(['a', 'ballast.ign']);
  });

  test('a root that is a mount point stages inside it, unseen', async () => {
    const { root, base } = await folder();
    mount('-t', 'tmpfs', '-o', 'size=20m', 'none', root);
    const endpoint = await disk(root);
    expect(endpoint.info.mount).toBe(true);
    const news = await watched(endpoint);
    let staging: string[] = [];
    const slow = {
      async *open() {
        staging = readdirSync(root);
        yield await Promise.resolve(Buffer.from('new'));
      },
    };
    await endpoint.apply([{ path: 'a', before: null, after: file('new') }], slow);
    expect(staging).toEqual(['.drydock']);
    expect(statSync(`${root}/.drydock`).mode & 0o777).toBe(0o700);
    writeFileSync(`${root}/b`, 'b');
    await news.says('b', file('b'));
    expect(news.told.map(({ path }) => path)).toEqual(['b']);
    expect([...((await endpoint.scan()).root?.children.keys() ?? [])].sort()).toEqual(['a', 'b']);
    await endpoint.tidy();
    expect([readdirSync(root).sort(), readdirSync(base)]).toEqual([['a', 'b'], ['root']]);
  });

  test('what is mounted below the root is opaque, of the same device or another, folder or file', async () => {
    const { root, base } = await folder();
    for (const name of ['tmp', 'bind']) mkdirSync(`${root}/${name}`);
    writeFileSync(`${root}/bound.py`, 'under');
    mkdirSync(`${base}/other`);
    writeFileSync(`${base}/other/x`, 'x');
    mount('-t', 'tmpfs', 'none', `${root}/tmp`);
    mount('--bind', `${base}/other`, `${root}/bind`);
    mount('--bind', `${base}/other/x`, `${root}/bound.py`);
    const endpoint = await disk(root);
    const { root: tree } = await endpoint.scan();
    for (const name of ['tmp', 'bind', 'bound.py'])
      expect(nodeAt(tree, name)).toEqual({ kind: 'opaque', reason: 'mount' });
    expect(await make(endpoint, { path: 'bound.py', before: file('x'), after: file('new') }, 'new')).not.toMatchObject({
      result: 'done',
    });
    expect(await make(endpoint, { path: 'bind/new', before: null, after: file('new') }, 'new')).not.toMatchObject({
      result: 'done',
    });
    expect(await make(endpoint, { path: 'bind/x', before: file('x'), after: null })).not.toMatchObject({
      result: 'done',
    });
    expect(await make(endpoint, { path: 'tmp/new', before: null, after: DIR })).not.toMatchObject({ result: 'done' });
    expect([readdirSync(`${base}/other`), readFileSync(`${base}/other/x`, 'utf8')]).toEqual([['x'], 'x']);
  });

  test('what is mounted over the root, of the same device or another, is not the folder', async () => {
    const { root, base } = await folder();
    writeFileSync(`${root}/a`, 'a');
    mkdirSync(`${base}/other`);
    writeFileSync(`${base}/other/x`, 'x');
    const endpoint = await disk(root);
    const before = await endpoint.scan();
    for (const over of [
      ['-t', 'tmpfs', 'none', root],
      ['--bind', `${base}/other`, root],
    ]) {
      execFileSync('mount', over);
      try {
        expect(await endpoint.scan()).toEqual({ root: null });
        expect(await make(endpoint, { path: 'new', before: null, after: DIR })).not.toMatchObject({ result: 'done' });
      } finally {
        execFileSync('umount', [root]);
      }
      expect(await endpoint.scan()).toEqual(before);
    }
    expect(readdirSync(`${base}/other`)).toEqual(['x']);
  });

  test('what is mounted over it, or goes, is noticed although nothing hints at it', async () => {
    const { root } = await folder();
    writeFileSync(`${root}/a`, 'a');
    const endpoint = await disk(root, { pause: 10 });
    const { promise: lost, resolve } = Promise.withResolvers<string>();
    await endpoint.watch(() => undefined, resolve);
    mount('-t', 'tmpfs', 'none', root);
    expect(await lost).toMatch(/the folder is gone/);
    expect(await endpoint.scan()).toEqual({ root: null });
  });

  test('the mount of the root goes: it is no state of the folder, until the same is there again', async () => {
    const { root, base } = await folder();
    for (const name of ['disk', 'other']) mkdirSync(`${base}/${name}`);
    writeFileSync(`${base}/disk/a`, 'a');
    const own = ['--bind', `${base}/disk`, root];
    execFileSync('mount', own);
    const endpoint = await disk(root);
    const before = await endpoint.scan();
    execFileSync('umount', [root]);
    expect(await endpoint.scan()).toEqual({ root: null });
    mount('-t', 'tmpfs', 'none', `${base}/other`); // takes the number that became free
    mount(...own);
    expect(await endpoint.scan()).toEqual(before);
  });

  test('nor is another file system of its kind the same', async () => {
    const { root, base } = await folder();
    const tmpfs = ['-t', 'tmpfs', 'none', root];
    execFileSync('mount', tmpfs);
    writeFileSync(`${root}/a`, 'a');
    const endpoint = await disk(root);
    await endpoint.scan();
    execFileSync('umount', ['-l', root]);
    mkdirSync(`${base}/other`);
    mount('--bind', base, `${base}/other`);
    mount(...tmpfs);
    expect(await endpoint.scan()).toEqual({ root: null });
  });

  test('a read-only root', async () => {
    const { root } = await folder();
    writeFileSync(`${root}/a`, 'a');
    mount('--bind', root, root);
    execFileSync('mount', ['-o', 'remount,bind,ro', root]);
    const endpoint = await disk(root);
    expect(endpoint.info).toMatchObject({ writable: false, mount: true });
    expect(await make(endpoint, { path: 'a', before: file('a'), after: null })).toMatchObject({
      result: 'failed',
      reason: 'read-only',
    });
  });

  describe('overlayfs, as a container has it', () => {
    async function overlay(files: Record<string, Uint8Array | string>) {
      const { root: base } = await folder();
      mount('-t', 'tmpfs', '-o', 'size=200m', 'none', base);
      for (const name of ['lower', 'upper', 'work', 'merged']) mkdirSync(`${base}/${name}`);
      mkdirSync(`${base}/lower/app/d`, { recursive: true });
      for (const [path, content] of Object.entries(files)) writeFileSync(`${base}/lower/app/${path}`, content);
      const options = `lowerdir=${base}/lower,upperdir=${base}/upper,workdir=${base}/work`;
      mount('-t', 'overlay', '-o', options, 'overlay', `${base}/merged`);
      return { base, root: `${base}/merged/app` };
    }

    test('lower-layer files and folders are replaced and deleted, victims and all', async () => {
      const { root, base } = await overlay({ a: 'old', 'd/x': 'x' });
      const endpoint = await disk(root);
      const news = await watched(endpoint);
      const outcomes = await endpoint.apply(
        [
          { path: 'd/x', before: file('x'), after: null },
          { path: 'd', before: DIR, after: null },
          { path: 'a', before: file('old'), after: file('new') },
        ],
        contents('new'),
      );
      expect(outcomes).toMatchObject([
        { result: 'done', victim: { data: Buffer.from('x') } },
        { result: 'done' },
        { result: 'done', victim: { data: Buffer.from('old') } },
      ]);
      writeFileSync(`${root}/fence`, 'f');
      await news.says('fence', file('f'));
      expect(news.told.map(({ path }) => path)).toEqual(['fence']);
      await endpoint.close();
      expect(readdirSync(root).sort()).toEqual(['a', 'fence']);
      expect(readdirSync(`${base}/upper/app`).sort()).toEqual(['a', 'd', 'fence']); // d: a whiteout
    });

    test('a write into a lower-layer file that was opened before is kept when it comes late', async () => {
      const { root } = await overlay({ a: 'old' });
      const endpoint = await disk(root);
      const fd = openSync(`${root}/a`, 'r+'); // copies it up
      onTestFinished(() => closeSync(fd));
      await make(endpoint, { path: 'a', before: file('old'), after: file('new') }, 'new');
      writeSync(fd, 'LATE', 0);
      await endpoint.close();
      expect(Object.values(filesLike(root, /conflict/))).toEqual(['LATE']);
    });

    test('a large lower-layer file is not copied up to be replaced or deleted, and its bytes can still be had', async () => {
      const big = Buffer.alloc(20 * 1024 * 1024, 'b');
      const { root, base } = await overlay({ big, other: big });
      const endpoint = await disk(root);
      const outcomes = await endpoint.apply(
        [
          { path: 'big', before: file(big), after: file('new') },
          { path: 'other', before: file(big), after: null },
        ],
        contents('new'),
      );
      for (const outcome of outcomes) {
        const held = outcome.result === 'done' ? (outcome.victim?.held ?? '') : '';
        expect((await collect(endpoint.readHeld(held))).equals(big)).toBe(true);
        await endpoint.release([held]);
      }
      expect(readFileSync(`${root}/big`, 'utf8')).toBe('new');
      const kept = execFileSync('du', ['-sk', `${base}/upper`], { encoding: 'utf8' });
      expect(parseInt(kept, 10)).toBeLessThan(1024);
    });

    test('a large one that was written through a mapping, under the stamp that it had, is neither replaced nor deleted', async () => {
      const { root } = await overlay({ m: Buffer.alloc(20 * 1024 * 1024, 'a') });
      const write = await mapper(`${root}/m`); // copies it up
      await write('b');
      const endpoint = await disk(root);
      await provenBy(endpoint, 1);
      const before = file(readFileSync(`${root}/m`));
      await write('c');
      const written = file(readFileSync(`${root}/m`));
      for (const after of [file('new'), null])
        expect(await make(endpoint, { path: 'm', before, after }, 'new')).toMatchObject({ result: 'refused' });
      expect(await make(endpoint, { path: 'm', before: written, after: null })).toMatchObject({ result: 'done' });
    });
  });
});

test('a root beside which we may stage leaves the root alone', async () => {
  const { root, base } = await folder();
  const endpoint = await disk(root);
  let seen: string[][] = [];
  const slow = {
    async *open() {
      seen = [readdirSync(root), readdirSync(base).sort()];
      yield await Promise.resolve(Buffer.from('new'));
    },
  };
  await endpoint.apply([{ path: 'a', before: null, after: file('new') }], slow);
  expect(seen).toEqual([[], ['.drydock-root', 'root']]);
});
