/** Each brake stops an accident, and without it the accident happens: so none of them can be lost unseen. */
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../console/engine/sync/clock.ts';
import { DrydockError } from '../../../shared/core/errors.ts';
import { BRAKES, trippedBrake, type BrakeName, type Round } from '../../../shared/core/sync/guard.ts';
import { EMPTY } from '../../../shared/core/sync/tree.ts';
import { file } from '../../support/trees.ts';
import { SyncPair, type PairOptions } from '../../support/sync-pair.ts';

const open: SyncPair[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((pair) => pair.close()));
});

type Files = Readonly<Record<string, string>>;
const files = (n: number, text = 'x'): Files =>
  Object.fromEntries(Array.from({ length: n }, (_, k) => [`f${k}`, `${text} ${k}`]));

async function settled(content: Files, options?: PairOptions): Promise<SyncPair> {
  const pair = await SyncPair.open({ host: content, container: content }, options);
  open.push(pair);
  await pair.session.quiet();
  return pair;
}

const without = (name: BrakeName) =>
  Object.fromEntries(Object.entries(BRAKES).filter(([each]) => each !== name)) as Partial<typeof BRAKES>;

async function reasonOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  return error instanceof DrydockError && error.code === 'halted' ? error.message : `not halted: ${String(error)}`;
}

function removeAll(pair: SyncPair, keep = 0): void {
  for (const path of pair.host.list().slice(keep)) pair.host.remove(path);
}

describe('emptied', () => {
  const accident = (pair: SyncPair) => {
    removeAll(pair);
    return pair.session.settleOnce();
  };

  test('an empty folder does not empty the other one', async () => {
    const pair = await settled(files(5));
    expect(await reasonOf(accident(pair))).toMatch(/is empty now/);
    expect(pair.told('halted')).toHaveLength(1);
    expect(Object.keys(pair.container.all())).toHaveLength(5);
    expect(pair.session.view().halted?.hint).toMatch(/Put the files back/);
  });

  test('nor one that holds no more than what sync has just put there', async () => {
    const pair = await settled(files(5));
    pair.host.items = new Map();
    pair.container.write('new', '1');
    await pair.synced('new', 'host');
    expect(await reasonOf(pair.session.settleOnce())).toMatch(/is empty now/);
    expect(pair.container.list()).toHaveLength(6);
  });

  test('nor however much later one looks again', async () => {
    let ahead = 0;
    const clock = { ...systemClock, now: () => systemClock.now() + ahead };
    const pair = await settled(files(5), { clock });
    pair.host.items = new Map();
    pair.container.write('new', '1');
    await pair.synced('new', 'host');
    await reasonOf(pair.session.settleOnce());
    ahead = 3_600_000;
    const { scans } = pair.containerEnd;
    await reasonOf(pair.session.settleOnce());
    await pair.until(() => pair.hostEnd.scans > scans && pair.containerEnd.scans > scans);
    for (let n = 0; n < 5; n++) await new Promise(setImmediate);
    expect(pair.session.view().halted?.reason).toMatch(/is empty now, but for what sync has put there since/);
    expect(pair.container.list()).toHaveLength(6);
  });

  test.each(['halted', 'killed before its answer'])(
    'nor by a console that starts again when it was %s',
    async (when) => {
      const first = await settled(files(5));
      let state = '';
      if (when !== 'halted') first.hostEnd.beforeAnswer = async () => void (state ||= await first.killed());
      first.host.items = new Map();
      first.container.write('new', '1');
      await first.synced('new', 'host');
      await reasonOf(first.session.settleOnce());
      state ||= await first.killed();
      await first.session.close();
      const next = await SyncPair.on(first, state);
      open.push(next);
      expect(await reasonOf(next.session.quiet())).toMatch(/is empty now/);
      expect(next.container.list()).toHaveLength(6);
    },
  );

  test('nor where all that it held came from sync before', async () => {
    const pair = await SyncPair.open({ container: files(5) });
    open.push(pair);
    await pair.session.quiet();
    pair.host.items = new Map();
    pair.container.write('new', '1');
    await pair.synced('new', 'host');
    expect(await reasonOf(pair.session.settleOnce())).toMatch(/is empty now/);
    expect(pair.container.list()).toHaveLength(6);
  });

  test('what sync has just put there may go again', async () => {
    const pair = await settled({});
    for (const [path, text] of Object.entries(files(5))) pair.container.write(path, text);
    await pair.synced('f4', 'host');
    for (let n = 0; n < 4; n++) pair.host.remove(`f${n}`);
    await pair.session.settleOnce();
    expect(pair.container.all()).toEqual({ f4: 'x 4' });
  });

  test('it goes on by itself when the files are back', async () => {
    const pair = await settled(files(5));
    await reasonOf(accident(pair));
    for (const [path, text] of Object.entries(files(5))) pair.host.write(path, text);
    pair.host.write('f0', 'edited');
    await pair.synced('f0', 'container');
    await pair.session.quiet();
    expect(pair.session.view().halted).toBeUndefined();
    expect(Object.keys(pair.container.all())).toHaveLength(5);
  });

  test.each([
    ['go-on', {}],
    ['restore', files(5)],
  ] as const)('on a terminal: %s', async (value, both) => {
    const pair = await settled(files(5), { policy: 'ask' });
    await reasonOf(accident(pair));
    pair.session.answer(pair.session.view().question?.id ?? '', value);
    await pair.session.quiet();
    expect(pair.host.all()).toEqual(both);
    expect(pair.container.all()).toEqual(both);
  });

  test('what is meant on one side is not meant on the other', () => {
    const base = {
      kind: 'dir',
      children: new Map([
        ['a', file('1')],
        ['b', file('2')],
      ]),
    } as const;
    const due = [{ path: 'a', before: file('1'), after: null }];
    const round: Round = {
      base,
      trees: { host: EMPTY, container: EMPTY },
      due: { host: due, container: due },
      deletedLately: { host: new Map(), container: new Map() },
      createdLately: { host: [], container: [] },
      asks: true,
      unproven: false,
      mounts: { was: null, is: { host: false, container: false } },
    };
    expect(trippedBrake(round, new Set())).toMatchObject({ name: 'emptied', side: 'host' });
    expect(trippedBrake(round, new Set(['emptied host']))).toMatchObject({ name: 'emptied', side: 'container' });
    expect(trippedBrake(round, new Set(['emptied host', 'emptied container']))).toBeNull();
  });

  test('without the brake everything is deleted', async () => {
    const pair = await settled(files(5), { brakes: without('emptied') });
    await accident(pair);
    expect(pair.container.all()).toEqual({});
  });
});

describe('what the user said beforehand', () => {
  const later = async (pair: SyncPair, said: PairOptions['said']) => {
    const next = await SyncPair.on(pair, await pair.killed(), said === undefined ? {} : { said });
    open.push(next);
    return next;
  };
  const emptied = async () => {
    const pair = await settled(files(5));
    removeAll(pair);
    await reasonOf(pair.session.settleOnce());
    return pair;
  };

  test.each([
    ['go-on', {}],
    ['restore', files(5)],
  ] as const)('%s counts for the brake that was named', async (word, both) => {
    const next = await later(await emptied(), new Map([['emptied', word]]));
    await next.session.quiet();
    expect([next.host.all(), next.container.all()]).toEqual([both, both]);
    expect(next.told('halted')).toEqual([]);
  });

  test('and for no other', async () => {
    const next = await later(await emptied(), new Map([['mount', 'go-on']]));
    expect(await reasonOf(next.session.quiet())).toMatch(/is empty now/);
    expect(next.container.list()).toHaveLength(5);
  });

  test('nor for what happens when both were equal once', async () => {
    const pair = await settled(files(5), { said: new Map([['emptied', 'go-on']]) });
    removeAll(pair);
    expect(await reasonOf(pair.session.settleOnce())).toMatch(/is empty now/);
    expect(pair.container.list()).toHaveLength(5);
  });

  test('a new mount that is meant stays so', async () => {
    const pair = await settled(files(3));
    pair.session.detachContainer();
    const said: PairOptions['said'] = new Map([['mount', 'go-on']]);
    const next = await SyncPair.on(pair, await pair.killed(), { onContainer: { info: { mount: true } }, said });
    open.push(next);
    await next.session.quiet();
    next.host.write('f1', 'edited');
    await next.synced('f1', 'container');
    await next.session.quiet();
    expect(next.told('halted')).toEqual([]);
  });
});

describe('the hint names what can be done', () => {
  test.each([
    ['refuse', /Put the files back and start again; with --restore they come back .*, with --go-on emptied they go/],
    ['ask', /Put the files back, or answer what to do\.$/],
  ] as const)('by policy %s', async (policy, hint) => {
    const pair = await settled(files(5), { policy });
    removeAll(pair);
    await reasonOf(pair.session.settleOnce());
    expect(pair.session.view().halted?.hint).toMatch(hint);
    expect(pair.session.view().question === undefined).toBe(policy === 'refuse');
  });

  test.each([
    ['refuse', /Bring the folder back and start again; if another mount is meant, just start again\./],
    ['ask', /Bring the folder back, and sync goes on by itself/],
  ] as const)('of a folder that is gone, by policy %s', async (policy, hint) => {
    const pair = await settled(files(3), { policy });
    pair.host.items = null;
    pair.host.changed();
    await reasonOf(pair.session.settleOnce());
    expect(pair.session.view().halted?.hint).toMatch(hint);
  });
});

describe('mass-delete', () => {
  const accident = (pair: SyncPair) => {
    removeAll(pair, 20);
    return pair.session.settleOnce();
  };

  test('more than half, and fifty or more, are asked about', async () => {
    const pair = await settled(files(100));
    expect(await reasonOf(accident(pair))).toMatch(/^80 files, more than half/);
    expect(pair.container.list()).toHaveLength(100);
  });

  test('also in several rounds', async () => {
    const pair = await settled(files(100));
    for (const path of pair.host.list().slice(0, 45)) pair.host.remove(path);
    await pair.session.settleOnce();
    expect(pair.container.list()).toHaveLength(55);
    for (const path of pair.host.list().slice(0, 20)) pair.host.remove(path);
    expect(await reasonOf(pair.session.settleOnce())).toMatch(/^65 files/);
    expect(pair.container.list()).toHaveLength(55);
  });

  test('a file that is renamed to and fro is no hundred files', async () => {
    const pair = await settled(files(5));
    for (let n = 0; n < 120; n++) {
      const [from, to] = n % 2 === 0 ? ['one.py', 'other.py'] : ['other.py', 'one.py'];
      pair.host.remove(from);
      pair.host.write(to, `content ${n}`);
      await pair.session.settleOnce();
    }
    expect(pair.container.all()).toEqual(pair.host.all());
  });

  test('what comes and goes again all the time is no accident', async () => {
    const pair = await settled(files(20));
    for (let n = 0; n < 60; n++) {
      pair.container.write(`tmp${n}`, `${n}`);
      await pair.synced(`tmp${n}`, 'host');
      pair.container.remove(`tmp${n}`);
      await pair.session.settleOnce();
    }
    expect(pair.host.list()).toHaveLength(20);
  });

  test('a move is no delete', async () => {
    const pair = await settled(files(100));
    for (const [path, text] of Object.entries(files(100))) {
      pair.host.write(`moved/${path}`, text);
      pair.host.remove(path);
    }
    await pair.session.settleOnce();
    expect(pair.container.all()).toEqual(pair.host.all());
  });

  test('fewer than half go', async () => {
    const pair = await settled(files(200));
    removeAll(pair, 110);
    await pair.session.settleOnce();
    expect(pair.container.list()).toHaveLength(110);
  });

  test('what is meant goes on', async () => {
    const pair = await settled(files(100), { policy: 'ask' });
    await reasonOf(accident(pair));
    pair.session.answer(pair.session.view().question?.id ?? '', 'go-on');
    await pair.session.quiet();
    expect(pair.container.list()).toHaveLength(20);
    expect(pair.store.journal.entries).toHaveLength(80);
  });

  test('without the brake eighty files go', async () => {
    const pair = await settled(files(100), { brakes: without('mass-delete') });
    await accident(pair);
    expect(pair.container.list()).toHaveLength(20);
  });
});

test('the same accident at another time is another question, and one that is looked at again is not', async () => {
  const pair = await settled(files(5), { policy: 'ask' });
  const asked = async () => {
    removeAll(pair);
    await reasonOf(pair.session.settleOnce());
    return pair.session.view().question?.id ?? '';
  };
  const first = await asked();
  expect(await asked()).toBe(first);
  pair.session.answer(first, 'restore');
  await pair.session.quiet();
  expect(pair.host.all()).toEqual(files(5));
  expect(await asked()).not.toBe(first);
});

describe('root-missing', () => {
  const accident = async (pair: SyncPair) => {
    pair.host.items = null;
    pair.host.changed();
    await pair.session.settleOnce();
  };

  test('a folder that is gone deletes nothing, and goes on when it is back', async () => {
    const pair = await settled(files(3));
    expect(await reasonOf(accident(pair))).toMatch(/^The folder on this machine is missing/);
    expect(pair.container.list()).toHaveLength(3);
    pair.host.items = new Map();
    for (const [path, text] of Object.entries(files(3))) pair.host.write(path, text);
    pair.host.write('f1', 'edited');
    await pair.synced('f1', 'container');
    await pair.session.quiet();
    expect(pair.container.text('f1')).toBe('edited');
  });

  test('without the brake nobody is told', async () => {
    const pair = await settled(files(3), { brakes: without('root-missing') });
    pair.host.items = null;
    pair.host.changed();
    await pair.until(() => pair.session.view().rows.length === 3 && pair.session.view().phase !== 'ready');
    expect(pair.told('halted')).toEqual([]);
  });
});

describe('flood', () => {
  /** A container of the same name, made anew and pristine: no question, so the brake is what is left. */
  const accident = async (pair: SyncPair, data = files(250)) => {
    pair.session.detachContainer();
    for (const [path, text] of Object.entries(data)) pair.host.write(`data/${path}`, text);
    await pair.attach({ container: 'c2', pristine: () => Promise.resolve(true) });
    await pair.session.settleOnce();
  };

  test('the first round makes no hundreds of files in a folder that may be another', async () => {
    const pair = await settled(files(3));
    expect(await reasonOf(accident(pair))).toMatch(/would create 250 files/);
    expect(pair.container.list()).toHaveLength(3);
  });

  test('nor does the next start', async () => {
    const pair = await settled(files(3));
    await reasonOf(accident(pair));
    const again = await SyncPair.on(pair, await pair.killed(), { identity: { ...pair.identity, container: 'c2' } });
    open.push(again);
    expect(await reasonOf(again.session.quiet())).not.toMatch(/^not halted/);
    expect(again.container.list()).toHaveLength(3);
  });

  test('without the brake they are made', async () => {
    const pair = await settled(files(3), { brakes: without('flood') });
    await accident(pair);
    expect(pair.container.list()).toHaveLength(254);
  });

  describe('by bytes', () => {
    /** A little more than 20 MiB together. */
    const few = files(3, 'x'.repeat(7 * 1024 * 1024));

    test('nor does it make a few large ones', async () => {
      const pair = await settled(files(3));
      expect(await reasonOf(accident(pair, few))).toMatch(/would create 3 files \(22.0 MB\)/);
      expect(pair.container.list()).toHaveLength(3);
    });

    test('without the brake they are made', async () => {
      const pair = await settled(files(3), { brakes: without('flood') });
      await accident(pair, few);
      expect(pair.container.list()).toHaveLength(7);
    });
  });
});

describe('mount', () => {
  const accident = async (pair: SyncPair) => {
    pair.session.detachContainer();
    const next = await SyncPair.on(pair, await pair.killed(), {
      onContainer: { info: { mount: true } },
      ...(pair.options.brakes === undefined ? {} : { brakes: pair.options.brakes }),
    });
    open.push(next);
    next.container.remove('f1');
    return next;
  };

  test('a root that has become a mount is asked about', async () => {
    const next = await accident(await settled(files(3)));
    expect(await reasonOf(next.session.settleOnce())).toMatch(/is now a mount/);
    expect(next.host.list()).toHaveLength(3);
  });

  test('without the brake its gaps are deletes', async () => {
    const next = await accident(await settled(files(3), { brakes: without('mount') }));
    await next.session.settleOnce();
    expect(next.host.list()).toHaveLength(2);
  });
});
