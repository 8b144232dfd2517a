/** A container that was made of another's last state goes on with its history. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SyncStore, type ContainerIdentity } from '../../../console/engine/sync/store.ts';
import { EMPTY, TreeEdit } from '../../../shared/core/sync/tree.ts';

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

/** A container that was synchronised at 100 and last seen equal at 200. */
async function synchronised(): Promise<SyncStore> {
  const store = await SyncStore.open(join(dir, 'state'), dir, 100);
  const tree = new TreeEdit(EMPTY);
  tree.setEntry('score.py', { kind: 'file', digest: 'a'.repeat(64), size: 1, exec: false });
  const opened = await store.open(identity('old'), 100);
  opened.adopt(tree.root);
  await opened.confirm({ host: false, container: false }, 200);
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
