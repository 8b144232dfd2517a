/** A container that was made of another's last state goes on with its history. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../console/engine/sync/clock.ts';
import { SyncStore, type ContainerIdentity } from '../../../console/engine/sync/store.ts';
import { EMPTY, TreeEdit } from '../../../shared/core/sync/tree.ts';
import { SyncPair } from '../../support/sync-pair.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'drydock-revived-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const identity = (container: string, more: Partial<ContainerIdentity> = {}): ContainerIdentity => ({
  place: 'docker: default',
  container,
  image: 'sha256:1',
  startedAt: '2026-01-01T00:00:00Z',
  name: container,
  root: '/app',
  mount: null,
  ...more,
});

/** A container that was attached at 100 and at 200. */
async function synchronised(): Promise<SyncStore> {
  const store = await SyncStore.open(join(dir, 'state'), dir, 100);
  const tree = new TreeEdit(EMPTY);
  tree.setEntry('score.py', { kind: 'file', digest: 'a'.repeat(64), size: 1, exec: false });
  const opened = await store.open(identity('old'), 100);
  opened.adopt(tree.root, 100);
  opened.log?.attached(200);
  await opened.close();
  return store;
}

test('from what its predecessor had in common with the folder', async () => {
  const store = await synchronised();
  const opened = await store.open(identity('new', { revived: { container: 'old', at: 300 } }), 400);
  expect(opened.history).toMatchObject({ kind: 'known' });
  expect(opened.history.kind === 'known' && [...opened.history.base.children.keys()]).toEqual(['score.py']);
  await opened.close();
  await store.close();
});

test('but not when the predecessor was synchronised since: its base may be ahead of that state', async () => {
  const store = await synchronised();
  const opened = await store.open(identity('new', { revived: { container: 'old', at: 150 } }), 400);
  expect(opened.history).toEqual({ kind: 'new' });
  await opened.close();
  await store.close();
});

test('nor from another folder’s', async () => {
  const store = await synchronised();
  const opened = await store.open(identity('new', { root: '/srv', revived: { container: 'old', at: 300 } }), 400);
  expect(opened.history).toEqual({ kind: 'new' });
  await opened.close();
  await store.close();
});

describe('in a console that was attached to the predecessor', () => {
  const first = { a: '1', b: '1', c: '1' };
  let ahead = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + ahead };

  /** The predecessor has ended; what it holds now is revived a minute later. */
  async function ended(): Promise<{ readonly pair: SyncPair; readonly at: number }> {
    const pair = await SyncPair.open({ host: first, container: first }, { clock });
    await pair.session.quiet();
    pair.session.detachContainer();
    ahead += 60_000;
    return { pair, at: clock.now() };
  }

  async function attachRevived(pair: SyncPair, at: number): Promise<void> {
    pair.session.detachContainer();
    pair.container.items?.clear();
    for (const [path, text] of Object.entries(first))
      pair.container.set(path, { kind: 'file', data: Buffer.from(text), exec: false });
    await pair.attach({ container: 'c2', name: 'debug-revived', revived: { container: 'c1', at } });
  }

  test('its history goes on: edits and deletes of before count', async () => {
    const { pair, at } = await ended();
    pair.host.write('a', '2');
    pair.host.remove('b');
    await attachRevived(pair, at);
    await pair.session.settleOnce();
    expect(pair.host.all()).toEqual({ a: '2', c: '1' });
    expect(pair.container.all()).toEqual(pair.host.all());
    await pair.close();
  });

  test('not when the predecessor was started again and synchronised since: what is newer on the host stays', async () => {
    const { pair, at } = await ended();
    ahead += 60_000;
    await pair.attach({ startedAt: '2026-01-01T00:02:00Z' });
    pair.host.write('a', '2');
    pair.host.write('fresh', '2');
    await pair.synced('fresh', 'container');
    await pair.session.quiet();
    await attachRevived(pair, at);
    await expect(pair.session.settleOnce()).rejects.toMatchObject({ code: 'halted' });
    expect(pair.host.all()).toEqual({ ...first, a: '2', fresh: '2' });
    await pair.close();
  });
});
