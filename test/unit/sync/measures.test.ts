/** Each measure that keeps edits safe on their way, and what happens without it: so none of them can be lost unseen. */
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock, type Clock } from '../../../console/engine/sync/clock.ts';
import type { SyncMeasure } from '../../../console/engine/sync/driver.ts';
import { SyncPair, type PairOptions } from '../../support/sync-pair.ts';
import { sha256 } from '../../support/trees.ts';

const open: SyncPair[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((pair) => pair.close()));
});

interface Danger {
  readonly measure: SyncMeasure;
  readonly what: string;
  /** True when all is well. */
  readonly run: (options: PairOptions) => Promise<boolean>;
}

const DANGERS: readonly Danger[] = [
  {
    measure: 'delete-hold',
    what: 'a name that goes and comes back at once never goes on the other side',
    run: async (options) => {
      const pair = await settled({ a: '1', b: '1' }, { ...options, clock: stopped() });
      pair.host.remove('a');
      await pair.until(() => pair.session.view().rows[0]?.state !== 'equal');
      pair.host.write('a', '2');
      await pair.synced('a', 'container');
      await pair.session.quiet();
      return pair.containerEnd.batches.flat().every(({ after }) => after !== null);
    },
  },
  {
    measure: 'intents',
    what: 'what arrived before a kill is no conflict with the next edit',
    run: async (options) => {
      const pair = await settled({ a: '1', b: '1' }, options);
      let state = '';
      pair.containerEnd.beforeAnswer = async () => void (state ||= await pair.killed());
      pair.host.write('a', '2');
      await pair.synced('a', 'container');
      await pair.session.close();
      pair.host.write('a', '3');
      const next = await SyncPair.on(pair, state, options);
      open.push(next);
      await next.session.quiet();
      return next.told('conflict').length === 0;
    },
  },
  {
    measure: 'journal',
    what: 'what was replaced can come back',
    run: async (options) => {
      const pair = await settled({ a: '1', b: '1' }, options);
      pair.host.write('a', '2');
      await pair.synced('a', 'container');
      await pair.session.quiet();
      return isJournaled(pair, '1');
    },
  },
  {
    measure: 'journal-first',
    what: 'a version that goes by the user’s word is safe although the answer is lost, and the container with it',
    run: async (options) => {
      const pair = await SyncPair.open(
        { host: { a: 'ours' }, container: { a: 'theirs' } },
        { ...options, policy: 'host' },
      );
      open.push(pair);
      pair.containerEnd.beforeAnswer = () => {
        pair.containerEnd.beforeAnswer = () => undefined;
        pair.session.detachContainer();
        pair.container.quarantine.clear();
        throw new Error('the link is gone');
      };
      await pair.until(() => pair.container.text('a') === 'ours');
      await pair.attach();
      await pair.session.settleOnce();
      return isJournaled(pair, 'theirs');
    },
  },
  {
    measure: 'identity',
    what: 'a container that was made anew, with what its image has, does not bring the older version back',
    run: async (options) => {
      const pair = await settled({ a: '1', b: '1' }, options);
      pair.host.write('a', '2');
      await pair.synced('a', 'container');
      await pair.session.quiet();
      pair.session.detachContainer();
      pair.container.write('a', '1');
      await pair.attach({ container: 'c2', pristine: () => Promise.resolve(true) });
      await pair.session.settleOnce();
      return pair.host.text('a') === '2' && pair.container.text('a') === '2';
    },
  },
];

describe.each(DANGERS)('$measure: $what', ({ measure, run }) => {
  test('with it', async () => expect(await run({})).toBe(true));
  test('not without it', async () => expect(await run({ without: measure })).toBe(false));
});

/** A moment that takes as long as a test likes. */
function stopped(): Clock {
  const now = systemClock.now();
  return { ...systemClock, now: () => now };
}

async function settled(files: Readonly<Record<string, string>>, options: PairOptions): Promise<SyncPair> {
  const pair = await SyncPair.open({ host: files, container: files }, options);
  open.push(pair);
  await pair.session.quiet();
  return pair;
}

function isJournaled(pair: SyncPair, text: string): boolean {
  return pair.store.journal.entries.some(({ blob }) => blob === sha256(text));
}
