import { afterEach, describe, expect, test } from 'vitest';
import { systemClock, type Clock } from '../../../console/engine/sync/clock.ts';
import { diskFiles, type Files as StateFiles } from '../../../console/engine/sync/files.ts';
import { DrydockError } from '../../../shared/core/errors.ts';
import { INLINE_LIMIT, VICTIM_INLINE_LIMIT } from '../../../shared/core/sync/endpoint.ts';
import { identity, SyncPair, type PairOptions } from '../../support/sync-pair.ts';
import { file, sha256 } from '../../support/trees.ts';

const open: SyncPair[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((pair) => pair.close()));
});

type Files = Parameters<typeof SyncPair.open>[0];

async function start(files: Files, options?: PairOptions): Promise<SyncPair> {
  const pair = await SyncPair.open(files, options);
  open.push(pair);
  return pair;
}

/** In sync, with the same files on both sides. */
async function settled(files: Readonly<Record<string, string>>, options?: PairOptions): Promise<SyncPair> {
  const pair = await start({ host: files, container: files }, options);
  await pair.session.quiet();
  return pair;
}

/** What the journal has, oldest first: the side, the path, what stood there and what came. */
function journal({ store }: SyncPair): [string, string, string | null, string | null][] {
  return store.journal.entries.map(({ side, path, blob, after }) => {
    return [side, path, blob, after?.kind === 'file' ? after.digest : null];
  });
}

/** The same state and disks, in a console that starts after the first was killed. */
async function restart(pair: SyncPair, options?: PairOptions): Promise<SyncPair> {
  const next = await SyncPair.on(pair, await pair.killed(), options);
  open.push(next);
  return next;
}

/** Time passes when the test says so. */
class SteppedClock implements Clock {
  #now = systemClock.now();
  readonly #timers = new Set<{ readonly at: number; readonly run: () => void }>();

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get isAwaited(): boolean {
    return this.#timers.size > 0;
  }

  pass(ms: number): void {
    this.#now += ms;
  }

  /** To the next timer, which runs. */
  next(): void {
    const [first] = [...this.#timers].sort((a, b) => a.at - b.at);
    if (first === undefined) throw new Error('nothing is waited for');
    this.#timers.delete(first);
    this.#now = Math.max(this.#now, first.at);
    first.run();
  }
}

const copyOf = (stem: string, text: string, extension = '') =>
  `${stem}.conflict-container-${sha256(text).slice(0, 8)}${extension}`;

const halted = (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (error: unknown) => (error instanceof DrydockError ? error.toInfo() : error),
  );

describe('edits', () => {
  test('travel both ways, with their time, and what they replace is journaled', async () => {
    const pair = await settled({ 'score.py': 'v1', 'lib/clean.py': 'v1' });
    expect(pair.told('ready')).toEqual([{ event: 'ready', dir: '/host/folder', root: '/memory', files: 2 }]);

    pair.host.write('score.py', 'v2');
    expect(await pair.synced('score.py', 'container')).toMatchObject({ ms: expect.any(Number) as number });
    expect(pair.container.text('score.py')).toBe('v2');

    pair.container.write('lib/clean.py', 'v2');
    await pair.synced('lib/clean.py', 'host');
    await pair.session.quiet();
    expect(pair.host.text('lib/clean.py')).toBe('v2');
    expect(pair.store.journal.entries.map(({ side, path, blob }) => [side, path, blob])).toEqual([
      ['container', 'score.py', sha256('v1')],
      ['host', 'lib/clean.py', sha256('v1')],
    ]);
    expect(pair.session.view()).toMatchObject({ phase: 'ready', files: 2, out: 1, in: 1, problems: [], conflicts: [] });
    expect(pair.session.view().rows[1]).toMatchObject({ path: 'score.py', state: 'equal', last: { to: 'container' } });
  });

  test('are not sent back', async () => {
    const pair = await settled({ a: '1' });
    pair.host.write('a', '2');
    await pair.synced('a', 'container');
    await pair.session.settleOnce();
    expect(pair.hostEnd.batches).toEqual([]);
    expect(pair.containerEnd.batches).toHaveLength(1);
  });

  test('of large files are read from the other side, and large victims are taken over', async () => {
    const [small, large] = ['x'.repeat(INLINE_LIMIT + 1), 'y'.repeat(VICTIM_INLINE_LIMIT + 1)];
    const pair = await settled({ a: large });
    pair.host.write('a', small);
    await pair.synced('a', 'container');
    await pair.session.quiet();
    expect(pair.container.text('a')).toBe(small);
    expect(pair.store.journal.entries.map(({ blob }) => blob)).toEqual([sha256(large)]);
    expect(pair.container.quarantine.size).toBe(0);
  });

  test.each([
    ['container', 'deleted'],
    ['container', 'overwritten'],
    ['host', 'deleted'],
  ] as const)('of hundreds of large files, %s: what was %s is taken over a few at a time', async (side, how) => {
    const large = new Uint8Array(VICTIM_INLINE_LIMIT + 1);
    const pair = await settled(Object.fromEntries(Array.from({ length: 900 }, (_, n) => [`s${n}`, `${n}`])));
    for (let n = 0; n < 300; n++) for (const disk of [pair.host, pair.container]) disk.write(`d/f${n}`, large);
    await pair.session.settleOnce();
    const end = side === 'host' ? pair.hostEnd : pair.containerEnd;
    let [reading, most, tries] = [0, 0, 0];
    const read = end.readHeld.bind(end);
    end.readHeld = async function* (held) {
      most = Math.max(most, ++reading);
      try {
        if (++tries === 20) throw new Error('EIO: it cannot be read this time');
        yield* read(held);
      } finally {
        reading--;
      }
    };
    const batches = end.batches.length;
    const edited = side === 'host' ? pair.container : pair.host;
    for (let n = 0; n < 300; n++) {
      if (how === 'deleted') edited.remove(`d/f${n}`);
      else edited.write(`d/f${n}`, 'small');
    }
    await pair.until(() => pair.session.view().problems[0]);
    await expect(pair.session.quiet()).rejects.toMatchObject({ code: 'io' });
    await pair.until(() => pair.session.view().problems.length === 0);
    await pair.session.quiet();
    expect(pair[side].quarantine.size).toBe(0);
    expect(journal(pair).filter(([, path, blob]) => path.startsWith('d/') && blob === sha256(large))).toHaveLength(300);
    expect(most).toBe(8);
    expect(Math.max(...end.batches.slice(batches).map((batch) => batch.length))).toBeLessThanOrEqual(64);
  });

  test('go on only when what they replaced is in the journal', async () => {
    let isFull = false;
    const files: StateFiles = {
      ...diskFiles,
      save: (path, chunks) => {
        if (isFull && path.includes('blobs')) throw new Error('ENOSPC: no space left');
        return diskFiles.save(path, chunks);
      },
    };
    const pair = await settled({ a: '1', b: '1' }, { files });
    isFull = true;
    pair.host.write('a', '2');
    await pair.until(() => pair.session.view().problems[0]);
    pair.host.write('a', '3');
    await pair.until(() => pair.session.view().phase === 'working');
    await expect(pair.session.quiet()).rejects.toMatchObject({ code: 'io' });
    expect([pair.container.text('a'), pair.container.quarantine.size]).toEqual(['2', 1]);
    isFull = false;
    await pair.until(() => pair.session.view().problems.length === 0);
    await pair.session.quiet();
    expect(journal(pair).map(([, , blob]) => blob)).toEqual([sha256('1'), sha256('2')]);
    expect([pair.container.text('a'), pair.session.view().problems]).toEqual(['3', []]);
  });

  test('of hundreds of files at once go as few batches', async () => {
    const pair = await settled({ a: '1' });
    for (let n = 0; n < 500; n++) pair.host.write(`d/f${n}`, String(n));
    await pair.synced('d/f499', 'container');
    await pair.session.quiet();
    expect(pair.containerEnd.batches.length).toBeLessThan(4);
    expect(pair.container.all()).toEqual(pair.host.all());
  });

  test('made while a batch is under way are no conflict', async () => {
    const pair = await settled({ a: '1' });
    pair.containerEnd.beforeAnswer = async () => {
      pair.containerEnd.beforeAnswer = () => undefined;
      pair.host.write('a', '3');
      pair.host.write('b', '1');
      await pair.until(() => pair.session.view().rows.some(({ path }) => path === 'b'));
    };
    pair.host.write('a', '2');
    await pair.synced('b', 'container');
    await pair.session.quiet();
    expect(pair.container.all()).toEqual({ a: '3', b: '1' });
    expect(pair.host.all()).toEqual({ a: '3', b: '1' });
  });

  test.each(['3', '1'])('made in the container after our write and before its answer come back (%s)', async (text) => {
    const pair = await settled({ a: '1' });
    pair.containerEnd.beforeAnswer = async () => {
      pair.containerEnd.beforeAnswer = () => undefined;
      const { scans } = pair.containerEnd;
      pair.container.write('a', text);
      // Seen before the answer, which speaks of an older time.
      await new Promise(setImmediate);
      await new Promise(setImmediate);
      expect(pair.containerEnd.scans).toBe(scans);
    };
    pair.host.write('a', '2');
    await pair.synced('a', 'host');
    await pair.session.quiet();
    expect([pair.host.all(), pair.container.all()]).toEqual([{ a: text }, { a: text }]);
  });

  test('made below what was refused, after the refusal and before its answer, are not forgotten', async () => {
    const pair = await settled({ a: '1', 'd/b': '1' });
    pair.containerEnd.deaf = true;
    pair.container.write('d/new', '1');
    pair.containerEnd.beforeAnswer = async () => {
      pair.containerEnd.beforeAnswer = () => undefined;
      pair.containerEnd.deaf = false;
      pair.container.write('d/new', '2');
      for (let n = 0; n < 3; n++) await new Promise(setImmediate);
    };
    pair.host.remove('d');
    await pair.synced('d/new', 'host');
    await pair.session.quiet();
    expect(pair.container.all()).toEqual({ a: '1', d: '/', 'd/new': '2' });
    expect(pair.host.all()).toEqual(pair.container.all());
  });

  test('a name that goes and comes back at once is never missing on the other side', async () => {
    const pair = await settled({ 'score.py': '1' });
    pair.host.remove('score.py');
    await pair.until(() => pair.session.view().rows[0]?.state === 'pending');
    pair.host.write('score.py', '2');
    await pair.synced('score.py', 'container');
    expect(pair.containerEnd.batches.flat().map(({ after }) => after)).toEqual([file('2')]);
  });

  test('deletes go after a moment', async () => {
    const pair = await settled({ a: '1', 'd/b': '1', c: '1' });
    pair.host.remove('d');
    await pair.synced('d', 'container');
    await pair.session.quiet();
    expect(pair.container.all()).toEqual({ a: '1', c: '1' });
    expect(pair.store.journal.entries.map(({ path, after }) => [path, after])).toEqual([['d/b', null]]);
  });

  test('that were missed by the watch are found by a look', async () => {
    const pair = await settled({ a: '1' });
    pair.containerEnd.deaf = true;
    pair.container.write('a', '2');
    pair.containerEnd.loseHints();
    await pair.synced('a', 'host');
    pair.container.write('b', '1');
    await pair.session.settleOnce();
    expect(pair.host.all()).toEqual({ a: '2', b: '1' });
  });
});

describe('ignore rules', () => {
  test('once they are others nothing is sent in either direction, and nobody waits for it', async () => {
    let hold = true;
    const pair = await settled({ a: '1', b: '1' }, { rulesHold: () => Promise.resolve(hold) });
    hold = false;
    pair.host.write('a', '2');
    pair.container.write('b', '2');
    expect(await halted(pair.session.settleOnce())).toMatchObject({ code: 'cancelled' });
    expect([pair.hostEnd.batches, pair.containerEnd.batches]).toEqual([[], []]);
    expect([pair.host.text('b'), pair.container.text('a')]).toEqual(['1', '1']);
  });

  test('are looked at when a file of theirs changes, although both sides got the same by themselves', async () => {
    let looks = 0;
    const rulesHold = () => Promise.resolve(Boolean(++looks));
    const pair = await settled({ a: '1' }, { rulesHold });
    pair.containerEnd.deaf = true;
    pair.container.write('.gitignore', 'x');
    pair.containerEnd.loseHints();
    pair.session.detachContainer();
    pair.host.write('a.txt', 'x');
    await pair.until(() => pair.session.view().rows.length > 1);
    expect(looks).toBe(0);
    pair.host.write('.gitignore', 'x');
    await pair.until(() => looks > 0);
  });

  test('come to the host before what they may speak of', async () => {
    const pair = await settled({ a: '1' });
    pair.session.detachContainer();
    for (const path of ['.gitignore', '.drydockignore', '.a', 'z']) pair.container.write(path, 'x');
    await pair.attach();
    await pair.session.quiet();
    expect(pair.hostEnd.batches.map((batch) => batch.map(({ path }) => path))).toEqual([
      ['.drydockignore', '.gitignore'],
      ['.a', 'z'],
    ]);
  });
});

describe('conflicts', () => {
  test('a refusal is news: both versions are kept on both sides', async () => {
    const pair = await settled({ 'score.py': '1' });
    pair.containerEnd.deaf = true;
    pair.container.write('score.py', 'theirs');
    pair.host.write('score.py', 'ours');
    await pair.until(() => pair.told('conflict')[0]);
    await pair.session.quiet();
    const kept = copyOf('score', 'theirs', '.py');
    expect(pair.told('conflict')).toEqual([{ event: 'conflict', path: 'score.py', kept }]);
    expect(pair.host.all()).toEqual({ 'score.py': 'ours', [kept]: 'theirs' });
    expect(pair.container.all()).toEqual(pair.host.all());
    expect(pair.session.view().conflicts).toEqual([{ path: 'score.py', kept }]);
    expect(pair.session.view().rows.map(({ path, state }) => [path, state])).toEqual([
      [kept, 'conflict'],
      ['score.py', 'equal'],
    ]);

    pair.host.remove(kept);
    await pair.synced(kept, 'container');
    await pair.session.quiet();
    expect(pair.session.view().conflicts).toEqual([]);
  });

  test.each(['host', 'container'] as const)('made equal on the %s, by either of the two, it is over', async (side) => {
    const kept = copyOf('a', 'theirs');
    for (const [path, text] of [
      [kept, 'ours'],
      ['a', 'theirs'],
    ] as const) {
      const pair = await start({ host: { a: 'ours' }, container: { a: 'theirs' } }, { policy: 'union' });
      await pair.session.quiet();
      expect(pair.session.view().conflicts).toEqual([{ path: 'a', kept }]);
      pair[side].write(path, text);
      await pair.until(() => pair.session.view().conflicts.length === 0);
      await pair.session.quiet();
      for (const disk of [pair.host, pair.container]) expect(disk.all()).toEqual({ a: text, [kept]: text });
      expect(pair.session.view().rows.map(({ state }) => state)).toEqual(['equal', 'equal']);
    }
  });

  test('settled on the host before the container has answered, it does not come back', async () => {
    const pair = await settled({ a: '1' });
    const kept = copyOf('a', 'theirs');
    pair.session.detachContainer();
    pair.host.write('a', 'ours');
    pair.container.write('a', 'theirs');
    pair.containerEnd.beforeAnswer = async () => {
      pair.containerEnd.beforeAnswer = () => undefined;
      await pair.until(() => pair.session.view().conflicts.length === 1);
      pair.host.remove(kept);
      await pair.until(() => pair.session.view().conflicts.length === 0);
    };
    await pair.session.attachContainer(pair.containerEnd, identity());
    await pair.synced(kept, 'container');
    await pair.session.quiet();
    expect(pair.host.all()).toEqual({ a: 'ours' });
    expect(pair.container.all()).toEqual({ a: 'ours' });
  });

  test('the container’s version is overwritten only when it is safe on the host', async () => {
    const pair = await settled({ a: '1' });
    pair.session.detachContainer();
    pair.host.write('a', 'ours');
    pair.container.write('a', 'theirs');
    pair.hostEnd.fault = ({ path }) => ({ path, result: 'failed', reason: 'no-space', message: 'no space left' });
    await pair.attach();
    await pair.until(() => pair.session.view().problems[0]);
    expect(pair.container.text('a')).toBe('theirs');
    pair.hostEnd.fault = () => undefined;
    await pair.until(() => pair.session.view().problems.length === 0 && pair.session.view().phase === 'ready');
    expect(pair.container.all()).toEqual({ a: 'ours', [copyOf('a', 'theirs')]: 'theirs' });
  });

  test('inside azureml-models the copy is in the journal only', async () => {
    const path = 'azureml-models/m/1/model.pkl';
    const pair = await start({ host: { [path]: 'ours' }, container: { [path]: 'theirs' } }, { policy: 'union' });
    await pair.session.quiet();
    expect(Object.values(pair.container.all()).filter((text) => text !== '/')).toEqual(['ours']);
    expect(pair.store.journal.entries.map(({ blob }) => blob)).toEqual([sha256('theirs')]);
  });
});

describe('what a side cannot do', () => {
  test('a failure is told, tried again and ends with the news of it', async () => {
    const pair = await settled({ a: '1', b: '1' });
    pair.containerEnd.fault = ({ path }) =>
      path === 'a' ? { path, result: 'failed', reason: 'no-permission', message: 'a: not permitted' } : undefined;
    pair.host.write('a', '2');
    pair.host.write('b', '2');
    await pair.synced('b', 'container');
    await pair.session.quiet();
    expect(pair.session.view().problems).toEqual([{ path: 'a', message: 'in the container: a: not permitted' }]);
    pair.containerEnd.fault = () => undefined;
    await pair.synced('a', 'container');
    await pair.session.quiet();
    expect(pair.session.view().problems).toEqual([]);
  });

  /** An hour in which every attempt fails after `ms`; milliseconds from the end of each to the next. */
  async function waits(ms: number) {
    const clock = new SteppedClock();
    const pair = await settled({ a: '1' }, { clock });
    let ended: number | null = null;
    const found: number[] = [];
    pair.containerEnd.fault = ({ path }) => {
      if (ended !== null) found.push(clock.now() - ended);
      clock.pass(ms);
      ended = clock.now();
      return { path, result: 'failed', reason: 'no-space', message: 'no space left' };
    };
    pair.host.write('a', '2');
    for (const start = clock.now(); clock.now() < start + 3_600_000;) {
      await pair.until(() => clock.isAwaited);
      clock.next();
    }
    return { clock, pair, found };
  }

  test('what fails at once is tried again within 5 s, however long it has failed', async () => {
    const { clock, pair, found } = await waits(0);
    expect(Math.max(...found)).toBeLessThan(5_010);
    expect(found.length).toBeLessThan(3_600 / 5 + 10);
    await pair.until(() => clock.isAwaited);
    pair.containerEnd.fault = () => undefined;
    const over = clock.now();
    clock.next();
    await pair.synced('a', 'container');
    expect(clock.now() - over).toBeLessThan(5_010);
  });

  test('what takes long to fail takes no more than a tenth of the time', async () => {
    const { found } = await waits(1_500);
    expect(Math.min(...found.slice(10))).toBeGreaterThanOrEqual(15_000);
    expect(Math.max(...found)).toBeLessThan(15_010);
  });

  test('a read-only side is left alone and the other one still gets its edits', async () => {
    const pair = await start({ container: { a: '1' } }, { onContainer: { info: { writable: false } } });
    await pair.session.quiet();
    pair.host.write('b', '1');
    pair.container.write('a', '2');
    await pair.synced('a', 'host');
    await pair.session.quiet();
    expect(pair.containerEnd.batches).toEqual([]);
    expect(pair.session.view().problems).toEqual([
      {
        path: '',
        message: expect.stringContaining('/memory is read-only in the container: nothing arrives there') as string,
      },
    ]);
  });

  test('without executable bits a host keeps the container’s', async () => {
    const pair = await settled({ a: '1' }, { onHost: { info: { execBit: false } } });
    pair.container.write('run.sh', '1', true);
    await pair.synced('run.sh', 'host');
    pair.host.write('run.sh', '2');
    await pair.synced('run.sh', 'container');
    await pair.session.settleOnce();
    expect(pair.container.items?.get('run.sh')).toMatchObject({ exec: true });
    expect(pair.container.text('run.sh')).toBe('2');
    pair.container.write('run.sh', '3', false);
    await pair.session.settleOnce();
    expect(pair.host.text('run.sh')).toBe('3');
  });

  test('a refusal that cannot be leads to a look', async () => {
    const ignored = (path: string) => path.endsWith('.pyc');
    const pair = await settled({ a: '1', b: '1' }, { onContainer: { ignored }, onHost: { ignored } });
    // A folder that is none for either side: what is made there is done, and what becomes of it is no news.
    pair.container.write('pkg/x.pyc', 'compiled');
    pair.host.put('pkg', { kind: 'dir' });
    await pair.synced('pkg', 'container');
    pair.container.remove('pkg');
    pair.host.write('pkg/x.py', '1');
    await pair.synced('pkg/x.py', 'container');
    await pair.session.quiet();
    expect(pair.container.text('pkg/x.py')).toBe('1');
  });

  test('nor does the next start take the container’s away', async () => {
    const options = { onHost: { info: { execBit: false } } };
    const first = await settled({ a: '1' }, options);
    first.container.write('run.sh', '1', true);
    await first.synced('run.sh', 'host');
    await first.session.quiet();
    first.host.write('run.sh', '1', false);
    const next = await SyncPair.on(first, await first.killed(), { ...options, late: true });
    open.push(next);
    await next.session.quiet();
    expect(next.containerEnd.batches).toEqual([]);
    expect(next.container.items?.get('run.sh')).toMatchObject({ exec: true });
  });

  test('a deleted folder that keeps ignored files on one side settles', async () => {
    const ignored = (path: string) => path.endsWith('.pyc');
    const pair = await settled({ a: '1', b: '1', 'pkg/x.py': '1' }, { onContainer: { ignored }, onHost: { ignored } });
    pair.container.write('pkg/x.pyc', 'compiled');
    pair.host.remove('pkg');
    await pair.synced('pkg', 'container');
    await pair.session.settleOnce();
    expect(pair.container.all()).toEqual({ a: '1', b: '1', pkg: '/', 'pkg/x.pyc': 'compiled' });
    expect(pair.host.all()).toEqual({ a: '1', b: '1' });
  });
});

test('changed ignore rules delete nothing, there and back', async () => {
  const files = { a: '1', b: '1', 'data.csv': '1', 'd/e.csv': '1' };
  const first = await settled(files);
  const rules = { ignored: (path: string) => path.endsWith('.csv') };
  const second = await restart(first, { onHost: rules, onContainer: rules });
  // It knows the file, and would see it go: only a killed console does not.
  await first.session.close();
  await second.session.quiet();
  second.host.remove('data.csv');
  await second.session.settleOnce();
  expect(Object.keys(second.container.all())).toContain('data.csv');
  const third = await restart(second);
  await third.session.quiet();
  expect(third.container.all()).toEqual({ ...files, d: '/' });
  expect(third.host.all()).toEqual(third.container.all());
});

describe('first attach', () => {
  test('an empty side takes everything, whatever it is', async () => {
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`f${n}`, String(n)]));
    for (const files of [{ host: many }, { container: many }]) {
      const pair = await start(files);
      await pair.session.quiet();
      expect(pair.host.all()).toEqual(many);
      expect(pair.container.all()).toEqual(many);
    }
  });

  test('equal trees need no question', async () => {
    const pair = await settled({ a: '1', 'd/b': '1' }, { policy: 'ask' });
    expect(pair.hostEnd.batches.concat(pair.containerEnd.batches)).toEqual([]);
  });

  test('without a terminal different trees are refused, and the flags are named', async () => {
    const pair = await start({ host: { a: '1', b: '1' }, container: { a: '2', c: '1' } });
    expect(await halted(pair.session.quiet())).toEqual({
      code: 'halted',
      message: 'Both folders have content and differ: 1 differ, 1 only on this machine, 1 only in the container.',
      hint: 'Choose with --prefer host, --prefer container or --union.',
    });
    expect(pair.told('halted')).toHaveLength(1);
    const again = await restart(pair);
    expect(await halted(again.session.quiet())).toMatchObject({ code: 'halted' });
  });

  test.each([
    ['host', { a: 'ours', b: '1', c: '1' }],
    ['container', { a: 'theirs', b: '1', c: '1' }],
    ['union', { a: 'ours', [copyOf('a', 'theirs')]: 'theirs', b: '1', c: '1' }],
  ] as const)('the answer “%s”, as a flag and on a terminal', async (word, both) => {
    const files = { host: { a: 'ours', b: '1' }, container: { a: 'theirs', c: '1' } };
    const flagged = await start(files, { policy: word });
    await flagged.session.quiet();
    const asked = await start(files, { policy: 'ask' });
    const question = await asked.until(() => asked.session.view().question);
    expect(question.details).toEqual(['a: differs', 'b: only on this machine', 'c: only in the container']);
    expect(asked.session.view().phase).toBe('question');
    asked.session.answer(question.id, word);
    await asked.session.quiet();
    for (const pair of [flagged, asked]) {
      expect(pair.host.all()).toEqual(both);
      expect(pair.container.all()).toEqual(both);
    }
    if (word !== 'union') {
      expect(flagged.store.journal.entries.map(({ blob }) => blob)).toEqual([
        sha256(word === 'host' ? 'theirs' : 'ours'),
      ]);
    }
  });

  test('a home folder is not taken without a question', async () => {
    const pair = await start({ host: { a: '1' } }, { policy: 'ask', delicate: true });
    const { text } = await pair.until(() => pair.session.view().question);
    expect(text).toContain('a home folder or a whole disk');
    expect(pair.container.all()).toEqual({});
  });

  test('the user may say no', async () => {
    const pair = await start({ host: { a: '1' }, container: { a: '2' } }, { policy: 'ask' });
    const { id } = await pair.until(() => pair.session.view().question);
    pair.session.answer(id, 'stop');
    expect(await halted(pair.session.quiet())).toMatchObject({ message: 'You chose not to sync these folders.' });
  });
});

describe('interruptions', () => {
  test.each(['it was replaced', 'it was deleted'])('a lost answer, %s: what went is in the journal', async (how) => {
    const pair = await settled({ a: '1', b: '1', c: '1' });
    pair.containerEnd.beforeAnswer = () => {
      pair.session.detachContainer();
      throw new Error('the link is gone');
    };
    if (how === 'it was deleted') pair.host.remove('a');
    else pair.host.write('a', '2');
    const after = pair.host.text('a');
    await pair.until(() => pair.container.text('a') === after);
    await pair.attach();
    await pair.session.settleOnce();
    expect(journal(pair)).toEqual([['container', 'a', sha256('1'), after === null ? null : sha256(after)]]);
    await pair.attach();
    await pair.session.settleOnce();
    expect(journal(pair)).toHaveLength(1);
    expect(pair.container.quarantine.size).toBe(0);
  });

  test.each(['host', 'container'] as const)(
    'a batch that fails on the %s: what went is in the journal',
    async (side) => {
      const pair = await settled({ a: '1', b: '1' });
      const end = side === 'host' ? pair.hostEnd : pair.containerEnd;
      end.beforeAnswer = () => {
        end.beforeAnswer = () => undefined;
        throw new Error('EIO: a folder cannot be synced');
      };
      pair[side === 'host' ? 'container' : 'host'].write('a', '2');
      await pair.until(() => pair[side].text('a') === '2');
      await pair.session.settleOnce();
      expect(journal(pair)).toEqual([[side, 'a', sha256('1'), sha256('2')]]);
      expect(pair[side].quarantine.size).toBe(0);
    },
  );

  test('a lost answer and a later edit are no conflict', async () => {
    const pair = await settled({ a: '1' });
    pair.containerEnd.beforeAnswer = () => {
      pair.session.detachContainer();
      throw new Error('the link is gone');
    };
    pair.host.write('a', '2');
    await pair.until(() => pair.container.text('a') === '2');
    pair.host.write('a', '3');
    await pair.attach();
    await pair.session.settleOnce();
    expect([pair.host.all(), pair.container.all()]).toEqual([{ a: '3' }, { a: '3' }]);
  });

  test('edits on both sides while the link is down meet when it is back', async () => {
    const pair = await settled({ a: '1', b: '1', c: '1', d: '1' });
    pair.session.detachContainer();
    pair.host.write('a', '2');
    pair.container.write('b', '2');
    pair.host.remove('c');
    pair.host.write('d', 'ours');
    pair.container.write('d', 'theirs');
    await pair.attach({ startedAt: 'later' });
    await pair.session.settleOnce();
    const both = { a: '2', b: '2', d: 'ours', [copyOf('d', 'theirs')]: 'theirs' };
    expect([pair.host.all(), pair.container.all()]).toEqual([both, both]);
    expect(pair.told('ready')).toHaveLength(1);
  });

  test('after a kill the history goes on: deletes and edits of the time between', async () => {
    const first = await settled({ a: '1', b: '1', c: '1' });
    first.host.write('a', '2');
    await first.synced('a', 'container');
    const stateDir = await first.killed();
    await first.session.close();
    first.host.write('a', '3');
    first.container.remove('b');
    const next = await SyncPair.on(first, stateDir);
    open.push(next);
    await next.session.quiet();
    expect([next.host.all(), next.container.all()]).toEqual([
      { a: '3', c: '1' },
      { a: '3', c: '1' },
    ]);
  });

  test('killed before the answer: what the intent says counts as agreed', async () => {
    const first = await settled({ a: '1', b: '1', c: '1' });
    let stateDir = '';
    first.containerEnd.beforeAnswer = async () => {
      first.containerEnd.beforeAnswer = () => undefined;
      stateDir = await first.killed();
    };
    first.host.write('a', '2');
    first.host.remove('b');
    await first.synced('b', 'container');
    await first.session.close();
    // The host moved on before the restart: without the intent this were a conflict.
    first.host.write('a', '3');
    first.host.write('b', '3');
    const next = await SyncPair.on(first, stateDir);
    open.push(next);
    await next.session.quiet();
    expect(next.told('conflict')).toEqual([]);
    expect([next.host.all(), next.container.all()]).toEqual([
      { a: '3', b: '3', c: '1' },
      { a: '3', b: '3', c: '1' },
    ]);
  });

  test('a lost answer is looked up once: what comes to be the same much later is an edit', async () => {
    const first = await settled({ a: '1', b: '1' });
    first.containerEnd.beforeAnswer = () => {
      first.containerEnd.beforeAnswer = () => undefined;
      first.session.detachContainer();
      throw new Error('the link is gone');
    };
    first.host.write('a', '2');
    await first.until(() => first.container.text('a') === '2');
    await first.attach();
    await first.session.settleOnce();
    first.host.write('a', '3');
    await first.session.settleOnce();
    const stateDir = await first.killed();
    await first.session.close();
    // The host deletes what the container takes back: the edit survives.
    first.container.write('a', '2');
    first.host.remove('a');
    const next = await SyncPair.on(first, stateDir);
    open.push(next);
    await next.session.quiet();
    expect([next.host.all(), next.container.all()]).toEqual([
      { a: '2', b: '1' },
      { a: '2', b: '1' },
    ]);
  });

  test.each(['and is back before the answer', 'and is back after it'])(
    'the folder goes while a batch is under way, %s',
    async (when) => {
      const pair = await settled({ a: '1', b: '1' });
      const { items } = pair.container;
      const back = () => {
        pair.container.items = items;
        pair.container.changed();
      };
      pair.containerEnd.beforeAnswer = async () => {
        pair.containerEnd.beforeAnswer = () => undefined;
        pair.container.items = null;
        pair.container.changed();
        await pair.until(() => pair.session.view().halted);
        if (!when.includes('before')) return;
        back();
        for (let n = 0; n < 3; n++) await new Promise(setImmediate);
      };
      pair.host.write('a', '2');
      await pair.until(() => pair.containerEnd.batches.length === 1 && pair.told('halted')[0]);
      if (when.includes('after')) {
        await pair.until(() => pair.store.journal.entries.length > 0);
        back();
      }
      pair.host.write('b', '2');
      await pair.synced('b', 'container');
      await pair.session.quiet();
      expect(pair.container.all()).toEqual({ a: '2', b: '2' });
      expect(pair.store.journal.entries.map(({ path, blob }) => [path, blob])).toEqual([
        ['a', sha256('1')],
        ['b', sha256('1')],
      ]);
    },
  );

  test.each([
    ['by the user’s word', 'a', { policy: 'host' }],
    ['in a model', 'azureml-models/m/1/a', { policy: 'union' }],
  ] as const)('a version that goes %s is safe although the answer is lost', async (_, path, options) => {
    const pair = await SyncPair.open({ host: { [path]: 'ours' }, container: { [path]: 'theirs' } }, options);
    open.push(pair);
    pair.containerEnd.beforeAnswer = () => {
      pair.containerEnd.beforeAnswer = () => undefined;
      pair.session.detachContainer();
      throw new Error('the link is gone');
    };
    await pair.until(() => pair.container.text(path) === 'ours');
    await pair.attach();
    await pair.session.settleOnce();
    expect(pair.container.text(path)).toBe('ours');
    expect(pair.store.journal.entries.map(({ blob }) => blob)).toEqual([sha256('theirs')]);
  });

  test('a log that cannot be written lags, and is written whole when it can be', async () => {
    let broken = false;
    const fail = () => {
      if (broken) throw new Error('ENOSPC: no space left');
    };
    const files: StateFiles = {
      ...diskFiles,
      open: (path, how) => {
        const file = diskFiles.open(path, how);
        const { size } = file;
        return {
          size,
          write: (data) => {
            fail();
            file.write(data);
          },
          cut: (at) => file.cut(at),
          sync: async () => {
            fail();
            await file.sync();
          },
          syncNow: () => file.syncNow(),
          close: () => file.close(),
        };
      },
    };
    const first = await settled({ a: '1', b: '1' }, { files });
    broken = true;
    first.host.write('a', '2');
    await first.synced('a', 'container');
    await first.until(() => first.session.view().problems[0]);
    broken = false;
    first.host.write('b', '2');
    await first.synced('b', 'container');
    await first.session.quiet();
    expect(first.session.view().problems).toEqual([]);
    const stateDir = await first.killed();
    await first.session.close();
    first.container.write('a', '1');
    first.host.remove('a');
    const next = await SyncPair.on(first, stateDir);
    open.push(next);
    await next.session.quiet();
    expect(next.host.text('a')).toBe('1');
  });

  test('one console a folder', async () => {
    const pair = await settled({ a: '1' });
    await expect(SyncPair.on(pair, pair.stateDir)).rejects.toMatchObject({ code: 'taken' });
  });
});

describe('a container made anew under the same name', () => {
  const first = { 'score.py': 'old', 'gone.py': 'old', 'keep.py': '1' };

  /** Its image holds what the host had at first; the host went on since. */
  async function recreate(
    pristine: boolean,
    options?: PairOptions,
    before: (pair: SyncPair) => void = () => undefined,
  ): Promise<SyncPair> {
    const pair = await settled(first, options);
    pair.host.write('score.py', 'new');
    pair.host.write('fresh.py', 'new');
    pair.host.remove('gone.py');
    await pair.synced('gone.py', 'container');
    await pair.session.quiet();
    pair.session.detachContainer();
    pair.container.items?.clear();
    for (const [path, text] of Object.entries({ ...first, 'image.py': 'of the image' }))
      pair.container.set(path, { kind: 'file', data: Buffer.from(text), exec: false });
    before(pair);
    await pair.attach({ container: 'c2', pristine: () => Promise.resolve(pristine) });
    return pair;
  }

  test('and edited before the two could meet: that is no longer the image’s, and a conflict', async () => {
    let items: SyncPair['host']['items'] = null;
    const pair = await recreate(true, undefined, ({ host }) => {
      ({ items } = host);
      host.items = null;
      host.changed();
    });
    await pair.until(() => pair.session.view().halted);
    pair.container.write('score.py', 'edited');
    pair.host.items = items;
    pair.host.changed();
    await pair.until(() => pair.session.view().phase === 'ready');
    expect(pair.host.text('score.py')).toBe('new');
    expect(pair.host.text(copyOf('score', 'edited', '.py'))).toBe('edited');
    expect(pair.container.all()).toEqual(pair.host.all());
  });

  test('as its image has it: the host’s side is taken, and the image’s version journaled', async () => {
    const pair = await recreate(true);
    await pair.session.settleOnce();
    const both = { 'score.py': 'new', 'fresh.py': 'new', 'keep.py': '1', 'image.py': 'of the image' };
    expect(pair.host.all()).toEqual(both);
    expect(pair.container.all()).toEqual(both);
    expect(pair.store.journal.entries.slice(-2).map(({ path, blob }) => [path, blob])).toEqual([
      ['gone.py', sha256('old')],
      ['score.py', sha256('old')],
    ]);
  });

  test('edited since, without a terminal: both are kept, and the host keeps the paths', async () => {
    const pair = await recreate(false);
    await pair.session.settleOnce();
    expect(pair.host.text('score.py')).toBe('new');
    expect(pair.host.text(copyOf('score', 'old', '.py'))).toBe('old');
    expect(pair.host.text('gone.py')).toBe('old');
    expect(pair.container.all()).toEqual(pair.host.all());
  });

  test('edited since, on a terminal: asks', async () => {
    const pair = await recreate(false, { policy: 'ask' });
    const question = await pair.until(() => pair.session.view().question);
    expect(question.text).toContain('made anew');
    expect(pair.host.text('score.py')).toBe('new');
    pair.session.answer(question.id, 'host');
    await pair.session.quiet();
    expect(pair.container.text('score.py')).toBe('new');
  });

  test('the same mount: no question, and deletes still count', async () => {
    const pair = await settled({ a: '1', b: '1', c: '1' }, { identity: identity({ mount: '/srv/app' }) });
    pair.session.detachContainer();
    pair.host.write('a', '2');
    pair.container.remove('b');
    await pair.attach({ container: 'c2' });
    await pair.session.settleOnce();
    expect(pair.host.all()).toEqual({ a: '2', c: '1' });
    expect(pair.container.all()).toEqual({ a: '2', c: '1' });
  });

  test('from an image that was committed here: goes on from what the commit held', async () => {
    const pair = await settled({ a: '1', b: '1', c: '1' });
    const provenTree = await pair.session.saveTree();
    pair.host.write('a', '2');
    pair.host.remove('b');
    await pair.synced('b', 'container');
    pair.session.detachContainer();
    pair.container.write('a', '1');
    pair.container.write('b', '1');
    pair.container.write('c', 'theirs');
    await pair.attach({ container: 'c2', provenTree });
    await pair.session.settleOnce();
    expect(pair.host.all()).toEqual({ a: '2', c: 'theirs' });
    expect(pair.container.all()).toEqual(pair.host.all());
  });

  const started = { startedAt: '2026-01-02T00:00:00Z' };

  test('or only started again: its file system lives on, and deletes still count', async () => {
    const pair = await settled(first);
    pair.session.detachContainer();
    pair.host.write('score.py', 'new');
    pair.host.remove('gone.py');
    await pair.attach(started);
    await pair.session.settleOnce();
    expect(pair.container.all()).toEqual({ 'score.py': 'new', 'keep.py': '1' });
    expect(pair.host.all()).toEqual(pair.container.all());
  });

  test('or started again, with its folder in memory filled anew: that is not what the two had in common', async () => {
    const pair = await settled(first, { identity: identity({ inMemory: true }) });
    pair.host.write('score.py', 'new');
    pair.host.write('fresh.py', 'new');
    await pair.synced('fresh.py', 'container');
    await pair.session.quiet();
    pair.session.detachContainer();
    await pair.attach();
    await pair.session.settleOnce();
    expect(pair.told('conflict'), 'the link alone was lost').toEqual([]);

    pair.session.detachContainer();
    pair.container.items?.clear();
    for (const [path, text] of Object.entries(first))
      pair.container.set(path, { kind: 'file', data: Buffer.from(text), exec: false });
    await pair.attach(started);
    await pair.session.settleOnce();
    expect(pair.host.all()).toEqual({
      ...first,
      'score.py': 'new',
      'fresh.py': 'new',
      [copyOf('score', 'old', '.py')]: 'old',
    });
    expect(pair.container.all()).toEqual(pair.host.all());
  });

  test('another name is a first attach', async () => {
    const pair = await settled({ a: '1' });
    pair.session.detachContainer();
    pair.container.write('a', '2');
    await pair.attach({ container: 'c2', name: 'other', pristine: () => Promise.resolve(true) });
    expect(await halted(pair.session.quiet())).toMatchObject({ code: 'halted' });
    expect(pair.host.text('a')).toBe('1');
  });
});
