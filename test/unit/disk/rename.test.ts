/** Somebody comes between our last look at a path and our own rename, at each place and with each kind of thing. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, test } from 'vitest';
import { loadRenames } from '../../../shared/disk/rename.ts';
import { disk, filesLike, folder, leaveVictim, make, releaseAll, watched } from '../../support/disk.ts';
import { file } from '../../contract/endpoint.ts';

const link = (target: string) => ({ kind: 'link', target }) as const;

/** What stands at the path when its names are exchanged, by how it came there. */
const RIVALS = {
  'a file renamed there': (at: string) => rename(at, 'theirs'),
  'a folder': (at: string) => {
    rmSync(at);
    mkdirSync(at);
    writeFileSync(`${at}/theirs`, 'theirs');
  },
  'a link': (at: string) => {
    rmSync(at);
    symlinkSync('theirs', at);
  },
} as const;

function rename(at: string, text: string): void {
  writeFileSync(`${at}.ign`, text);
  renameSync(`${at}.ign`, at);
}

/** Opens the folder; names are exchanged as ever, after `before` the first time and, where they are exchanged back, `again` the second. */
async function interrupted(root: string, before: () => void, again?: () => void) {
  const renames = await loadRenames();
  if (renames === null) throw new Error('this system exchanges no names');
  const ahead: ((() => void) | undefined)[] = [];
  const endpoint = await disk(root, {
    renames: {
      exchange: (one, other) => {
        ahead.shift()?.();
        renames.exchange(one, other);
      },
    },
  });
  ahead.push(before, again); // Not before: opening the folder tries an exchange out.
  return { endpoint, isOver: () => ahead.length === 0 };
}

function theirs(at: string): string {
  if (lstatSync(at).isDirectory()) return readFileSync(`${at}/theirs`, 'utf8');
  return lstatSync(at).isSymbolicLink() ? readlinkSync(at) : readFileSync(at, 'utf8');
}

describe.each(Object.keys(RIVALS) as (keyof typeof RIVALS)[])('%s', (rival) => {
  test.each(['file', 'link'] as const)('instead of a %s that is replaced', async (kind) => {
    const { root, base } = await folder();
    if (kind === 'file') writeFileSync(`${root}/a`, 'old');
    else symlinkSync('old', `${root}/a`);
    const { endpoint, isOver } = await interrupted(root, () => RIVALS[rival](`${root}/a`));
    const before = kind === 'file' ? file('old') : link('old');
    expect(await make(endpoint, { path: 'a', before, after: file('ours') }, 'ours')).toMatchObject({
      result: 'refused',
    });
    expect(isOver()).toBe(true);
    expect([readdirSync(root), theirs(`${root}/a`)]).toEqual([['a'], 'theirs']);
    await endpoint.tidy();
    expect(readdirSync(base)).toEqual(['root']);
  });
});

test('a program that writes into the file meanwhile writes on into the file that stands there', async () => {
  const { root } = await folder();
  writeFileSync(`${root}/a`, 'old');
  const { endpoint, isOver } = await interrupted(root, () => writeFileSync(`${root}/a`, 'theirs'));
  expect(await make(endpoint, { path: 'a', before: file('old'), after: file('ours') }, 'ours')).toMatchObject({
    result: 'refused',
    found: file('theirs'),
  });
  expect(isOver()).toBe(true);
  await endpoint.close();
  expect(filesLike(root, /./)).toEqual({ a: 'theirs' });
});

describe('one comes, and another while it is put back', () => {
  const both = async (again: (at: string) => void) => {
    const { root } = await folder();
    const at = `${root}/a`;
    writeFileSync(at, 'old');
    const { endpoint, isOver } = await interrupted(
      root,
      () => rename(at, 'theirs'),
      () => again(at),
    );
    expect(await make(endpoint, { path: 'a', before: file('old'), after: file('ours') }, 'ours')).toMatchObject({
      result: 'refused',
    });
    expect(isOver()).toBe(true);
    await endpoint.close(); // looks for late writes
    return root;
  };

  test('a file: both are kept', async () => {
    const root = await both((at) => rename(at, 'later'));
    expect(Object.values(filesLike(root, /./)).sort()).toEqual(['later', 'theirs']);
  });

  test('a folder: both are kept', async () => {
    const root = await both((at) => {
      rmSync(at);
      mkdirSync(at);
      writeFileSync(`${at}/later`, 'later');
    });
    expect(readFileSync(`${root}/a`, 'utf8')).toBe('theirs');
    const [copy] = readdirSync(root).filter((name) => name !== 'a');
    expect(readFileSync(`${root}/${copy}/later`, 'utf8')).toBe('later');
  });

  test('one that writes into ours: both are kept', async () => {
    const root = await both((at) => writeFileSync(at, 'into ours'));
    expect(Object.values(filesLike(root, /./)).sort()).toEqual(['into ours', 'theirs']);
  });

  test('it is deleted: what came is there again, and nothing of ours', async () => {
    const root = await both((at) => rmSync(at));
    expect(filesLike(root, /./)).toEqual({ a: 'theirs' });
  });
});

describe('one comes, and cannot be put back: it is not lost with the staging folder', () => {
  test.each(['EROFS', 'EIO'])('%s', async (code) => {
    const { root, base } = await folder();
    writeFileSync(`${root}/a`, 'old');
    const { endpoint, isOver } = await interrupted(
      root,
      () => rename(`${root}/a`, 'theirs'),
      () => {
        throw Object.assign(new Error(code), { code });
      },
    );
    expect(await make(endpoint, { path: 'a', before: file('old'), after: file('ours') }, 'ours')).toMatchObject({
      result: 'failed',
    });
    expect(isOver()).toBe(true);
    await endpoint.tidy();
    expect(Object.values(filesLike(root, /./)).sort()).toEqual(['ours', 'theirs']);
    expect(readdirSync(base)).toEqual(['root']);
  });

  test.runIf(process.getuid?.() === 0)('nowhere, for as long as that is so', async () => {
    const { root, base } = await folder();
    writeFileSync(`${root}/a`, 'old');
    const { endpoint } = await interrupted(
      root,
      () => rename(`${root}/a`, 'theirs'),
      () => {
        renameSync(root, `${root}-away`);
        throw Object.assign(new Error('EIO'), { code: 'EIO' });
      },
    );
    await make(endpoint, { path: 'a', before: file('old'), after: file('ours') }, 'ours').catch(() => undefined);
    await endpoint.close();
    renameSync(`${root}-away`, root);
    await disk(root);
    expect(Object.values(filesLike(root, /./)).sort()).toEqual(['ours', 'theirs']);
    expect(readdirSync(base)).toEqual(['root']);
  });
});

describe('killed between the exchange and the look at what came', () => {
  const ticket = { path: 'a', known: [file('old').digest, file('ours').digest, '>target'] };

  test.each(['old', 'ours'])('%s is not missed', async (left) => {
    const { root, base } = await folder();
    leaveVictim(base, ticket, left);
    const endpoint = await disk(root);
    expect((await endpoint.left()).map(({ path }) => path)).toEqual(left === 'old' ? ['a'] : []);
    await releaseAll(endpoint);
    await endpoint.tidy();
    expect([readdirSync(root), readdirSync(base)]).toEqual([[], ['root']]);
  });

  test.each(['target', 'elsewhere'])('a link to %s', async (target) => {
    const { root, base } = await folder();
    writeFileSync(`${root}/a`, 'ours');
    leaveVictim(base, ticket, '', undefined, (at) => symlinkSync(target, at));
    await disk(root);
    expect(readdirSync(base)).toEqual(['root']);
    const links = readdirSync(root).filter((name) => lstatSync(`${root}/${name}`).isSymbolicLink());
    expect(links.map((name) => readlinkSync(`${root}/${name}`))).toEqual(target === 'target' ? [] : ['elsewhere']);
  });

  test.each([true, false])('a folder, its path taken: %s', async (taken) => {
    const { root, base } = await folder();
    if (taken) writeFileSync(`${root}/a`, 'ours');
    leaveVictim(base, ticket, '', undefined, (at) => {
      mkdirSync(at);
      writeFileSync(`${at}/theirs`, 'theirs');
    });
    await disk(root);
    expect(readdirSync(base)).toEqual(['root']);
    expect(readdirSync(root).some((name) => existsSync(`${root}/${name}/theirs`))).toBe(true);
  });
});

test('where one of the names does not exist, the error says so as any other', async () => {
  const { root } = await folder();
  writeFileSync(`${root}/a`, '');
  const renames = await loadRenames();
  expect(() => renames?.exchange(`${root}/a`, `${root}/b`)).toThrow(expect.objectContaining({ code: 'ENOENT' }));
});

describe('somebody writes into ours while this process stands still: what he wrote is told', () => {
  test.each([
    ['over another', 'old', 0],
    ['where nothing was', null, 0],
    ['where nothing was, written some time before', null, 50],
    ['over another, written some time before', 'old', 50],
  ] as const)('%s', async (_, over, age) => {
    const { root } = await folder();
    if (over !== null) writeFileSync(`${root}/a`, 'old');
    const renames = await loadRenames();
    let isOpen = false;
    const after = (rename: () => void) => {
      rename();
      if (!isOpen) return;
      writeFileSync(`${root}/a`, 'hers'); // in the very tick in which it came there, of the same size
      standStill(100);
    };
    const endpoint = await disk(root, {
      renames: {
        exchange: (one, other) => after(() => renames?.exchange(one, other)),
        moveToFree: (from, to) => after(() => renames?.moveToFree(from, to)),
      },
    });
    isOpen = true;
    const news = await watched(endpoint);
    const before = over === null ? null : file('old');
    const content = {
      async *open() {
        yield Buffer.from('ours');
        await new Promise((later) => setTimeout(later, age)); // so much older is the file when it comes to its path
      },
    };
    const [outcome] = await endpoint.apply([{ path: 'a', before, after: file('ours') }], content);
    expect(outcome).toMatchObject({ result: 'done' });
    await news.says('a', file('hers'));
  });
});

test('a name moves to where nothing stands, and to nowhere else', async () => {
  const { root } = await folder();
  const renames = await loadRenames();
  writeFileSync(`${root}/a`, 'a');
  writeFileSync(`${root}/b`, 'b');
  const move = (from: string, to: string) => renames?.moveToFree(`${root}/${from}`, `${root}/${to}`);
  expect(() => move('a', 'b')).toThrow(expect.objectContaining({ code: 'EEXIST' }));
  move('a', 'c');
  expect(filesLike(root, /./)).toEqual({ b: 'b', c: 'a' });
});

/** As a process that the system does not let run. Milliseconds. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
