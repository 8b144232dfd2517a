/**
 * What every endpoint of the synchronisation must do: the real directory, the same behind the link, and the virtual
 * disk of the simulator.
 */
import { createHash } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { INLINE_LIMIT, VICTIM_INLINE_LIMIT, ContentMoved } from '../../shared/core/sync/endpoint.ts';
import type { Change, ContentSource, Endpoint, Observation, Outcome } from '../../shared/core/sync/endpoint.ts';
import { nodeAt } from '../../shared/core/sync/tree.ts';
import type { Entry, FileNode, Node, Path } from '../../shared/core/sync/tree.ts';

/** The folder as another program sees it. */
export interface Outside {
  write(path: Path, content: Uint8Array): Promise<void>;
  /** Writes beside the path and renames over it, as many editors do. */
  writeOver(path: Path, content: Uint8Array): Promise<void>;
  mkdir(path: Path): Promise<void>;
  link(path: Path, target: string): Promise<void>;
  setExec(path: Path, exec: boolean): Promise<void>;
  rename(from: Path, to: Path): Promise<void>;
  /** A file, a link, or a folder with all that is in it. */
  remove(path: Path): Promise<void>;
  /** Null when no file is there. */
  read(path: Path): Promise<Uint8Array | null>;
  /** Paths of everything, sorted, ignored entries and the endpoint's own included. */
  list(): Promise<readonly Path[]>;
}

export interface Subject {
  readonly endpoint: Endpoint;
  readonly outside: Outside;
  /** Closes the endpoint, if it is not closed yet, and takes the folder away. */
  dispose(): Promise<void>;
}

/** Every name that ends in `.ign` and every folder `cache` is ignored by the endpoints under test. */
export function ignoredInTests(path: Path, isDir: boolean): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return name.endsWith('.ign') || (isDir && name === 'cache');
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

export function file(content: string | Uint8Array, exec = false): FileNode {
  const data = typeof content === 'string' ? bytes(content) : content;
  return { kind: 'file', digest: createHash('sha256').update(data).digest('hex'), size: data.length, exec };
}

export const DIR: Entry = { kind: 'dir' };

/** Serves the bytes of all contents given. */
export function contents(...all: readonly (string | Uint8Array)[]): ContentSource {
  const data = new Map(all.map((each) => [file(each).digest, typeof each === 'string' ? bytes(each) : each]));
  return { open: (digest) => stream(data.get(digest)) };
}

async function* stream(data: Uint8Array | undefined): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  if (data === undefined) throw new ContentMoved('no longer held');
  for (let at = 0; at < data.length; at += 50_000) yield data.subarray(at, at + 50_000);
}

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

/** A tree as plain values, for comparison. */
export function plain(node: Node | null): unknown {
  if (node?.kind !== 'dir') return node;
  return Object.fromEntries(
    [...node.children].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, child]) => [name, plain(child)]),
  );
}

/** What a watch has told so far, and a wait for more. */
export class News {
  readonly told: Observation[] = [];
  readonly lost: string[] = [];
  #changed: (() => void)[] = [];

  readonly onChange = (batch: readonly Observation[]): void => {
    this.told.push(...batch);
    this.#wake();
  };

  readonly onLost = (reason: string): void => {
    this.lost.push(reason);
    this.#wake();
  };

  async until<T>(look: () => T | undefined | null | false): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined && found !== null && found !== false) return found;
      await new Promise<void>((resolve) => this.#changed.push(resolve));
    }
  }

  /** Waits until the last word on a path is this node. */
  async says(path: Path, node: Node | null): Promise<Observation> {
    const wanted = JSON.stringify(plain(node));
    return this.until(() => {
      const last = this.told.findLast((news) => news.path === path);
      return last !== undefined && JSON.stringify(plain(last.node)) === wanted && last;
    });
  }

  #wake(): void {
    const waiting = this.#changed;
    this.#changed = [];
    for (const resolve of waiting) resolve();
  }
}

export function endpointContract(name: string, make: () => Promise<Subject>): void {
  describe(name, () => {
    const open: Subject[] = [];
    afterEach(async () => {
      await Promise.all(open.splice(0).map((subject) => subject.dispose()));
    });

    async function start(files: Readonly<Record<Path, string>> = {}): Promise<Subject> {
      const subject = await make();
      open.push(subject);
      for (const [path, content] of Object.entries(files)) await put(subject.outside, path, content);
      return subject;
    }

    async function put(outside: Outside, path: Path, content: string | Uint8Array): Promise<void> {
      const names = path.split('/');
      const there = await outside.list();
      for (let depth = 1; depth < names.length; depth += 1) {
        const folder = names.slice(0, depth).join('/');
        if (!there.includes(folder)) await outside.mkdir(folder);
      }
      await outside.write(path, typeof content === 'string' ? bytes(content) : content);
    }

    const text = async (outside: Outside, path: Path) => {
      const data = await outside.read(path);
      return data === null ? null : Buffer.from(data).toString();
    };

    const one = async (
      endpoint: Endpoint,
      change: Change,
      ...content: readonly (string | Uint8Array)[]
    ): Promise<Outcome> => {
      const [outcome] = await endpoint.apply([change], contents(...content));
      if (outcome === undefined) throw new Error('no outcome came');
      return outcome;
    };

    /** Watches after a scan. `fence` returns when everything that happened before has been told. */
    async function watched(subject: Subject): Promise<{ news: News; fence: () => Promise<void> }> {
      await subject.endpoint.scan();
      const news = new News();
      await subject.endpoint.watch(news.onChange, news.onLost);
      let fences = 0;
      const fence = async () => {
        fences += 1;
        const path = `fence-${fences}`;
        await subject.outside.write(path, bytes(path));
        await news.says(path, file(path));
      };
      return { news, fence };
    }

    const paths = (news: News) => news.told.map((each) => each.path).filter((path) => !path.startsWith('fence-'));

    describe('scan', () => {
      test('an empty folder is an empty tree', async () => {
        const { endpoint } = await start();
        expect(plain((await endpoint.scan()).root)).toEqual({});
      });

      test('files, folders and links are found, and empty folders too', async () => {
        const { endpoint, outside } = await start({ 'score.py': 'score', 'a/b/c.txt': 'c', 'a/empty.txt': '' });
        await outside.mkdir('void');
        await outside.link('a/link', '../score.py');
        expect(plain((await endpoint.scan()).root)).toEqual({
          'score.py': file('score'),
          a: { b: { 'c.txt': file('c') }, 'empty.txt': file(''), link: { kind: 'link', target: '../score.py' } },
          void: {},
        });
      });

      test('the executable bit is seen', async () => {
        const { endpoint, outside } = await start({ run: '#!/bin/sh' });
        await outside.setExec('run', true);
        const { root } = await endpoint.scan();
        expect(nodeAt(root, 'run')).toEqual(file('#!/bin/sh', endpoint.info.execBit));
      });

      test('ignored entries are not in the tree, nor folders that hold nothing else', async () => {
        const { endpoint } = await start({
          'a.ign': 'x',
          'pkg/cache/x.pyc': 'x',
          'pkg/deep/y.ign': 'x',
          'kept/cache/z': 'x',
          'kept/k': 'k',
        });
        expect(plain((await endpoint.scan()).root)).toEqual({ kept: { k: file('k') } });
      });

      test.each(['../up', '/etc/passwd', 'a/../../up'])('a link to %s is opaque', async (target) => {
        const { endpoint, outside } = await start();
        await outside.link('out', target);
        expect(nodeAt((await endpoint.scan()).root, 'out')).toEqual({ kind: 'opaque', reason: 'outside-link' });
      });

      test('what did not change is the same object in the next scan', async () => {
        const { endpoint, outside } = await start({ 'a/x': 'x', 'b/y': 'y' });
        const before = (await endpoint.scan()).root;
        await outside.write('b/y', bytes('changed'));
        const after = (await endpoint.scan()).root;
        expect(plain(nodeAt(after, 'a'))).toEqual(plain(nodeAt(before, 'a')));
        expect(nodeAt(after, 'b/y')).toEqual(file('changed'));
      });

      test('a content of the same size is seen, however fast it came', async () => {
        const { endpoint, outside } = await start({ v: '0' });
        for (let round = 1; round < 30; round += 1) {
          await outside.write('v', bytes(String(round % 10)));
          expect(nodeAt((await endpoint.scan()).root, 'v')).toEqual(file(String(round % 10)));
        }
      });
    });

    describe('read', () => {
      test('the bytes of a file', async () => {
        const { endpoint } = await start({ 'a/x': 'content' });
        await endpoint.scan();
        expect((await collect(endpoint.read('a/x', file('content').digest))).toString()).toBe('content');
      });

      test('an empty file has no bytes', async () => {
        const { endpoint } = await start({ x: '' });
        await endpoint.scan();
        expect(await collect(endpoint.read('x', file('').digest))).toHaveLength(0);
      });

      test('a large file', async () => {
        const large = new Uint8Array(3 * 1024 * 1024 + 17).map((_, index) => index % 251);
        const { endpoint, outside } = await start();
        await outside.write('large', large);
        expect(nodeAt((await endpoint.scan()).root, 'large')).toEqual(file(large));
        expect((await collect(endpoint.read('large', file(large).digest))).equals(large)).toBe(true);
      });

      test.each([
        ['another content', 'x'],
        ['no file', 'none'],
        ['a path out of the root', '../x'],
        ['a folder', 'd'],
        ['a link', 'l'],
      ])('%s: ContentMoved', async (_, path) => {
        const { endpoint, outside } = await start({ x: 'now' });
        await outside.mkdir('d');
        await outside.link('l', 'x');
        await endpoint.scan();
        await expect(collect(endpoint.read(path, file('then').digest))).rejects.toMatchObject({ name: 'ContentMoved' });
      });
    });

    describe('apply', () => {
      test('creates folders, files and links, parents first', async () => {
        const { endpoint, outside } = await start();
        await endpoint.scan();
        const outcomes = await endpoint.apply(
          [
            { path: 'a', before: null, after: DIR },
            { path: 'a/b', before: null, after: DIR },
            { path: 'a/b/x', before: null, after: file('x') },
            { path: 'a/l', before: null, after: { kind: 'link', target: 'b/x' } },
            { path: 'run', before: null, after: file('run', endpoint.info.execBit) },
          ],
          contents('x', 'run'),
        );
        expect(outcomes.map(({ path, result }) => `${path} ${result}`)).toEqual([
          'a done',
          'a/b done',
          'a/b/x done',
          'a/l done',
          'run done',
        ]);
        expect(plain((await endpoint.scan()).root)).toEqual({
          a: { b: { x: file('x') }, l: { kind: 'link', target: 'b/x' } },
          run: file('run', endpoint.info.execBit),
        });
        expect(await outside.list()).toEqual(['a', 'a/b', 'a/b/x', 'a/l', 'run']);
      });

      test('a file is replaced and its bytes come back', async () => {
        const { endpoint, outside } = await start({ x: 'old' });
        await endpoint.scan();
        const outcome = await one(endpoint, { path: 'x', before: file('old'), after: file('new') }, 'new');
        expect(outcome).toMatchObject({ result: 'done', victim: { digest: file('old').digest, size: 3, exec: false } });
        expect(outcome.result === 'done' && Buffer.from(outcome.victim?.data ?? []).toString()).toBe('old');
        expect(await text(outside, 'x')).toBe('new');
      });

      test('works without a scan before', async () => {
        const { endpoint, outside } = await start({ 'd/x': 'old' });
        expect(await one(endpoint, { path: 'd/x', before: file('old'), after: file('new') }, 'new')).toMatchObject({
          result: 'done',
        });
        expect(await text(outside, 'd/x')).toBe('new');
        expect(plain((await endpoint.scan()).root)).toEqual({ d: { x: file('new') } });
      });

      test('a large victim is kept until it is released', async () => {
        const large = new Uint8Array(VICTIM_INLINE_LIMIT + 5).map((_, index) => index % 253);
        const { endpoint, outside } = await start();
        await outside.write('x', large);
        await endpoint.scan();
        const outcome = await one(endpoint, { path: 'x', before: file(large), after: null });
        const held = outcome.result === 'done' ? outcome.victim?.held : undefined;
        expect(held).toBeTypeOf('string');
        expect((await collect(endpoint.readHeld(held ?? ''))).equals(large)).toBe(true);
        await endpoint.release([held ?? '']);
        expect(await outside.list()).toEqual([]);
      });

      test('files, links and folders are deleted', async () => {
        const { endpoint, outside } = await start({ 'a/x': 'x' });
        await outside.link('a/l', 'x');
        await endpoint.scan();
        const outcomes = await endpoint.apply(
          [
            { path: 'a/x', before: file('x'), after: null },
            { path: 'a/l', before: { kind: 'link', target: 'x' }, after: null },
            { path: 'a', before: DIR, after: null },
          ],
          contents(),
        );
        expect(outcomes.map(({ result }) => result)).toEqual(['done', 'done', 'done']);
        expect(await outside.list()).toEqual([]);
      });

      test('what moves within a batch needs no other side', async () => {
        const [large, small] = ['m'.repeat(INLINE_LIMIT + 1), 'small'];
        const { endpoint, outside } = await start();
        await outside.mkdir('a');
        await outside.write('a/large', bytes(large));
        await outside.write('a/small', bytes(small));
        await endpoint.scan();
        const gone: ContentSource = { open: () => stream(undefined) };
        const outcomes = await endpoint.apply(
          [
            { path: 'a/large', before: file(large), after: null },
            { path: 'a/small', before: file(small), after: null },
            { path: 'b', before: null, after: DIR },
            { path: 'b/large', before: null, after: file(large) },
            { path: 'b/small', before: null, after: file(small) },
            { path: 'b/other', before: null, after: file('of the other side alone') },
          ],
          gone,
        );
        const done = Array.from({ length: 5 }, () => 'done');
        expect(outcomes.map(({ result }) => result)).toEqual([...done, 'failed']);
        expect(await outside.list()).toEqual(['a', 'b', 'b/large', 'b/small']);
        expect(plain((await endpoint.scan()).root)).toEqual({ a: {}, b: { large: file(large), small: file(small) } });
      });

      test('a folder that keeps ignored entries is out of the tree', async () => {
        const { endpoint, outside } = await start({ 'pkg/a.py': 'a', 'pkg/cache/a.pyc': 'pyc' });
        await endpoint.scan();
        const outcomes = await endpoint.apply(
          [
            { path: 'pkg/a.py', before: file('a'), after: null },
            { path: 'pkg', before: DIR, after: null },
          ],
          contents(),
        );
        expect(outcomes.map(({ result }) => result)).toEqual(['done', 'done']);
        expect(plain((await endpoint.scan()).root)).toEqual({});
        expect(await outside.list()).toEqual(['pkg', 'pkg/cache', 'pkg/cache/a.pyc']);
        expect(await one(endpoint, { path: 'pkg', before: null, after: file('f') }, 'f')).toMatchObject({
          result: 'failed',
          reason: 'occupied',
        });
        expect(await one(endpoint, { path: 'pkg', before: null, after: DIR })).toMatchObject({ result: 'done' });
        expect(await one(endpoint, { path: 'pkg/a.py', before: null, after: file('f') }, 'f')).toMatchObject({
          result: 'done',
        });
        expect(plain((await endpoint.scan()).root)).toEqual({ pkg: { 'a.py': file('f') } });
      });

      test('kinds are swapped', async () => {
        const { endpoint } = await start({ f: 'f', 'd/x': 'x', g: 'g' });
        await endpoint.scan();
        const outcomes = await endpoint.apply(
          [
            { path: 'd/x', before: file('x'), after: null },
            { path: 'd', before: DIR, after: file('d') },
            { path: 'f', before: file('f'), after: DIR },
            { path: 'f/in', before: null, after: file('in') },
            { path: 'g', before: file('g'), after: { kind: 'link', target: 'd' } },
          ],
          contents('d', 'in'),
        );
        expect(outcomes.map(({ result }) => result)).toEqual(['done', 'done', 'done', 'done', 'done']);
        expect(plain((await endpoint.scan()).root)).toEqual({
          d: file('d'),
          f: { in: file('in') },
          g: { kind: 'link', target: 'd' },
        });
        expect(
          await one(endpoint, { path: 'g', before: { kind: 'link', target: 'd' }, after: file('f') }, 'f'),
        ).toMatchObject({ result: 'done' });
        expect(nodeAt((await endpoint.scan()).root, 'g')).toEqual(file('f'));
      });

      test('only the executable bit changes, without any content', async () => {
        const { endpoint } = await start({ x: 'x' });
        if (!endpoint.info.execBit) return;
        await endpoint.scan();
        expect(await one(endpoint, { path: 'x', before: file('x'), after: file('x', true) })).toEqual({
          path: 'x',
          result: 'done',
        });
        expect(nodeAt((await endpoint.scan()).root, 'x')).toEqual(file('x', true));
      });

      test.each<[string, Entry | null, Entry | null]>([
        ['replace of another content', file('other'), file('new')],
        ['delete of another content', file('other'), null],
        ['create where something stands', null, file('new')],
        ['folder where something stands', null, DIR],
        ['replace of another executable bit', file('now', true), file('new')],
        ['delete of a link that is a file', { kind: 'link', target: 'y' }, null],
        ['delete of a folder that is a file', DIR, null],
      ])('refused: %s', async (_, before, after) => {
        const { endpoint, outside } = await start({ x: 'now' });
        if (!endpoint.info.execBit && before?.kind === 'file' && before.exec) return;
        await endpoint.scan();
        const outcome = await one(endpoint, { path: 'x', before, after }, 'new');
        expect(outcome).toMatchObject({ result: 'refused', found: file('now') });
        expect(outcome.result === 'refused' && Buffer.from(outcome.data ?? []).toString()).toBe('now');
        expect(await text(outside, 'x')).toBe('now');
        expect(await outside.list()).toEqual(['x']);
      });

      test('refused: the file is gone, or its folder', async () => {
        const { endpoint, outside } = await start();
        await endpoint.scan();
        expect(await one(endpoint, { path: 'x', before: file('x'), after: file('y') }, 'y')).toEqual({
          path: 'x',
          result: 'refused',
          found: null,
        });
        expect(await one(endpoint, { path: 'd/x', before: null, after: file('y') }, 'y')).toEqual({
          path: 'd/x',
          result: 'refused',
          found: null,
        });
        expect(await outside.list()).toEqual([]);
      });

      test('refused: a folder that holds something new', async () => {
        const { endpoint, outside } = await start({ 'd/x': 'x' });
        await endpoint.scan();
        await outside.write('d/new', bytes('new'));
        const outcomes = await endpoint.apply(
          [
            { path: 'd/x', before: file('x'), after: null },
            { path: 'd', before: DIR, after: null },
          ],
          contents(),
        );
        expect(outcomes[1]).toMatchObject({ path: 'd', result: 'refused' });
        expect(outcomes[1]?.result === 'refused' && plain(outcomes[1].found)).toEqual({ new: file('new') });
        expect(await outside.list()).toEqual(['d', 'd/new']);
      });

      test('one refusal leaves the rest of the batch alone', async () => {
        const { endpoint, outside } = await start({ a: 'a', b: 'b' });
        await endpoint.scan();
        const outcomes = await endpoint.apply(
          [
            { path: 'a', before: file('other'), after: file('1') },
            { path: 'b', before: file('b'), after: file('2') },
          ],
          contents('1', '2'),
        );
        expect(outcomes.map(({ result }) => result)).toEqual(['refused', 'done']);
        expect([await text(outside, 'a'), await text(outside, 'b')]).toEqual(['a', '2']);
      });

      test('content that no longer is what was announced changes nothing', async () => {
        const { endpoint, outside } = await start({ x: 'old' });
        await endpoint.scan();
        const moved = await one(endpoint, { path: 'x', before: file('old'), after: file('new') });
        expect(moved).toMatchObject({ result: 'failed', reason: 'content-moved' });
        const forged: ContentSource = { open: () => stream(bytes('not')) };
        const [outcome] = await endpoint.apply([{ path: 'x', before: file('old'), after: file('new') }], forged);
        expect(outcome).toMatchObject({ result: 'failed', reason: 'content-moved' });
        expect(await text(outside, 'x')).toBe('old');
        expect(await outside.list()).toEqual(['x']);
      });

      test.each(['../up', '/abs', 'a/../../up', '.', '..', 'a//b', 'a/', '', 'nul\0', 'x'.repeat(300), 'bad\ud800'])(
        'never acts on the path %j',
        async (path) => {
          const { endpoint, outside } = await start({ a: 'a' });
          await endpoint.scan();
          expect(await one(endpoint, { path, before: null, after: file('new') }, 'new')).toMatchObject({
            path,
            result: 'failed',
          });
          expect(await one(endpoint, { path, before: DIR, after: null })).toMatchObject({ path, result: 'failed' });
          expect(await outside.list()).toEqual(['a']);
        },
      );

      test.each(['x.ign', 'cache/x', 'cache', 'd/cache/deep/x'])('never acts on the ignored path %s', async (path) => {
        const { endpoint, outside } = await start({ 'cache/x': 'x', 'x.ign': 'x' });
        await endpoint.scan();
        const after = path === 'cache' ? DIR : file('new');
        expect(await one(endpoint, { path, before: null, after }, 'new')).toMatchObject({ result: 'failed' });
        expect(await outside.list()).toEqual(['cache', 'cache/x', 'x.ign']);
      });

      test.each(['/etc', '../..', 'a/../../x'])('never makes a link to %s', async (target) => {
        const { endpoint, outside } = await start();
        await endpoint.scan();
        expect(await one(endpoint, { path: 'l', before: null, after: { kind: 'link', target } })).toMatchObject({
          result: 'failed',
        });
        expect(await outside.list()).toEqual([]);
      });

      test('never goes through a link', async () => {
        const { endpoint, outside } = await start({ 'real/x': 'x' });
        await outside.link('l', 'real');
        await endpoint.scan();
        for (const after of [file('new'), null]) {
          expect((await one(endpoint, { path: 'l/x', before: file('x'), after }, 'new')).result).not.toBe('done');
        }
        expect((await one(endpoint, { path: 'l/new', before: null, after: file('new') }, 'new')).result).not.toBe(
          'done',
        );
        expect(await text(outside, 'real/x')).toBe('x');
        expect(await outside.list()).toEqual(['l', 'real', 'real/x']);
      });

      test.each([
        'with space',
        'ünïcödé',
        '🚢',
        '__proto__',
        'new\nline',
        `${'x'.repeat(251)}.txt`,
        '-rf',
        'back\\slash',
      ])('the name %j', async (name) => {
        const { endpoint, outside } = await start();
        await endpoint.scan();
        expect(await one(endpoint, { path: name, before: null, after: file('1') }, '1')).toMatchObject({
          result: 'done',
        });
        expect(await one(endpoint, { path: name, before: file('1'), after: file('2') }, '2')).toMatchObject({
          result: 'done',
        });
        expect(await text(outside, name)).toBe('2');
        const { root } = await endpoint.scan();
        expect([...(root?.children.keys() ?? [])]).toEqual([name]);
        expect(await one(endpoint, { path: name, before: file('2'), after: null })).toMatchObject({ result: 'done' });
      });

      test('a batch of many files', async () => {
        const { endpoint, outside } = await start();
        await endpoint.scan();
        const names = Array.from({ length: 300 }, (_, index) => `f${index}`);
        const outcomes = await endpoint.apply(
          [
            { path: 'd', before: null, after: DIR },
            ...names.map((each) => ({ path: `d/${each}`, before: null, after: file(each) })),
          ],
          contents(...names),
        );
        expect(outcomes.every(({ result }) => result === 'done')).toBe(true);
        expect((await outside.list()).length).toBe(301);
        expect(await text(outside, 'd/f299')).toBe('f299');
      });
    });

    describe('watch', () => {
      test('a change comes with its bytes', async () => {
        const subject = await start({ 'a/x': 'old' });
        const { news } = await watched(subject);
        await subject.outside.write('a/x', bytes('new'));
        const { data } = await news.says('a/x', file('new'));
        expect(Buffer.from(data ?? []).toString()).toBe('new');
        expect(news.told.some(({ node }) => node === null)).toBe(false);
      });

      test('content above the limit comes without its bytes', async () => {
        const subject = await start();
        const { news } = await watched(subject);
        const large = new Uint8Array(INLINE_LIMIT + 1).fill(65);
        await subject.outside.write('x', large);
        expect((await news.says('x', file(large))).data).toBeUndefined();
      });

      test('rename over, delete, executable bit, link', async () => {
        const subject = await start({ x: 'x', y: 'y', z: 'z' });
        const { news } = await watched(subject);
        await subject.outside.writeOver('x', bytes('over'));
        await news.says('x', file('over'));
        await subject.outside.remove('y');
        await news.says('y', null);
        if (subject.endpoint.info.execBit) {
          await subject.outside.setExec('z', true);
          await news.says('z', file('z', true));
        }
        await subject.outside.link('l', 'x');
        await news.says('l', { kind: 'link', target: 'x' });
      });

      test('the same file again and again', async () => {
        const subject = await start({ x: '' });
        const { news } = await watched(subject);
        for (let round = 0; round < 20; round += 1) {
          await subject.outside.write('x', bytes(String(round)));
          await news.says('x', file(String(round)));
        }
      });

      test('the last of many writes in a row is told', async () => {
        const subject = await start({ x: 'x' });
        const { news } = await watched(subject);
        for (let round = 0; round < 50; round += 1) await subject.outside.write('x', bytes(`round ${round % 10}`));
        await subject.outside.write('x', bytes('round end'));
        await news.says('x', file('round end'));
      });

      test('a new folder is told whole and watched', async () => {
        const subject = await start();
        const { news } = await watched(subject);
        await put(subject.outside, 'd/e/x', 'x');
        await news.until(() => told(news, 'd/e/x', file('x')));
        await subject.outside.write('d/e/x', bytes('again'));
        await news.until(() => told(news, 'd/e/x', file('again')));
      });

      test('a folder that moves is gone here and found there, with all that is in it', async () => {
        const subject = await start({ 'd/e/x': 'x', 'd/y': 'y' });
        const { news } = await watched(subject);
        await subject.outside.rename('d', 'moved');
        await news.says('d', null);
        await news.until(() => told(news, 'moved/e/x', file('x')) && told(news, 'moved/y', file('y')));
        await subject.outside.write('moved/e/x', bytes('later'));
        await news.says('moved/e/x', file('later'));
      });

      test('own writes are not told', async () => {
        const subject = await start({ x: 'x', 'd/y': 'y', 'd/z': 'z' });
        const { news, fence } = await watched(subject);
        const outcomes = await subject.endpoint.apply(
          [
            { path: 'd/z', before: file('z'), after: null },
            { path: 'x', before: file('x'), after: file('1') },
            { path: 'd/y', before: file('y'), after: file('2', subject.endpoint.info.execBit) },
            { path: 'n', before: null, after: DIR },
            { path: 'n/m', before: null, after: file('3') },
            { path: 'n/l', before: null, after: { kind: 'link', target: 'm' } },
          ],
          contents('1', '2', '3'),
        );
        expect(outcomes.every(({ result }) => result === 'done')).toBe(true);
        await fence();
        await fence();
        expect(paths(news)).toEqual([]);
      });

      test('a change after an own write is told', async () => {
        const subject = await start({ x: 'x' });
        const { news } = await watched(subject);
        await one(subject.endpoint, { path: 'x', before: file('x'), after: file('1') }, '1');
        await subject.outside.write('x', bytes('2'));
        await news.says('x', file('2'));
        await one(subject.endpoint, { path: 'n', before: null, after: DIR });
        await subject.outside.write('n/new', bytes('n'));
        await news.says('n/new', file('n'));
      });

      test('ignored entries are not told, and make a folder come and go', async () => {
        const subject = await start({ 'pkg/a.py': 'a', 'pkg/cache/a.pyc': 'x' });
        const { news, fence } = await watched(subject);
        await subject.outside.write('b.ign', bytes('b'));
        await subject.outside.write('pkg/cache/b.pyc', bytes('b'));
        await fence();
        expect(paths(news)).toEqual([]);
        await subject.outside.remove('pkg/a.py');
        await news.says('pkg', null);
        await subject.outside.write('pkg/b.py', bytes('b'));
        await news.until(() => told(news, 'pkg/b.py', file('b')));
      });

      test('what changed between scan and watch is told', async () => {
        const subject = await start({ x: 'x', y: 'y' });
        await subject.endpoint.scan();
        await subject.outside.write('x', bytes('new'));
        await subject.outside.remove('y');
        const news = new News();
        await subject.endpoint.watch(news.onChange, news.onLost);
        await news.says('x', file('new'));
        await news.says('y', null);
      });

      test('a touch alone is no news', async () => {
        const subject = await start({ x: 'x' });
        const { news, fence } = await watched(subject);
        await subject.outside.write('x', bytes('x'));
        await fence();
        await fence();
        // Truncated for a moment, then as before: never told as empty.
        expect(paths(news)).toEqual([]);
      });

      test('nothing is told after close', async () => {
        const subject = await start();
        await subject.endpoint.scan();
        const first = new News();
        const watch = await subject.endpoint.watch(first.onChange, first.onLost);
        await watch.close();
        const second = new News();
        await subject.endpoint.watch(second.onChange, second.onLost);
        await subject.outside.write('x', bytes('x'));
        await second.says('x', file('x'));
        expect(first.told).toEqual([]);
      });
    });

    test('close leaves nothing of ours', async () => {
      const { endpoint, outside } = await start({ x: 'x' });
      await endpoint.scan();
      await one(endpoint, { path: 'x', before: file('x'), after: file('y') }, 'y');
      await endpoint.close();
      expect(await outside.list()).toEqual(['x']);
    });
  });
}

/** True when what was told so far amounts to `node` at `path`: told itself, or within a folder. */
function told(news: News, path: Path, node: Node): boolean {
  for (const { path: top, node: whole } of news.told.toReversed()) {
    if (top !== path && !path.startsWith(`${top}/`)) continue;
    const found = top === path ? whole : whole?.kind === 'dir' ? nodeAt(whole, path.slice(top.length + 1)) : null;
    return JSON.stringify(plain(found)) === JSON.stringify(plain(node));
  }
  return false;
}
