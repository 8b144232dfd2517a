/** What a console leaves for the next one, beside the histories. */
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { SyncStore } from '../../../console/engine/sync/store.ts';
import { file } from '../../support/trees.ts';

const FILES = new Map([
  ['a', { stamp: '1:2:3', node: file('1', true) }],
  ['weird\n🚢 name', { stamp: '1:3:3', node: file('2') }],
]);

async function openStore() {
  const base = await mkdtemp(join(tmpdir(), 'drydock-store-'));
  onTestFinished(() => rm(base, { recursive: true, force: true }));
  const store = await SyncStore.open(base, join(base, 'app'), 0);
  onTestFinished(() => store.close());
  const [folder = ''] = readdirSync(join(base, 'sync'));
  return { store, kept: join(base, 'sync', folder, 'proven') };
}

const RULES = ['*.log', '# "weird"\u2028'];
const NOTHING = { files: new Map(), ruled: false };

test('stamps of files come back, and whether the rules are the same', async () => {
  const { store } = await openStore();
  expect(await store.proven(RULES)).toEqual(NOTHING);
  await store.keepProven(RULES, FILES);
  expect(await store.proven(RULES)).toEqual({ files: FILES, ruled: true });
  expect(await store.proven([])).toEqual({ files: FILES, ruled: false });
});

test('damaged, they are none', async () => {
  const { store, kept } = await openStore();
  await store.keepProven(RULES, FILES);
  const whole = readFileSync(kept);
  truncateSync(kept, whole.length - 2);
  expect((await store.proven(RULES)).files).toEqual(new Map());
  whole[20] = (whole[20] ?? 0) ^ 1;
  writeFileSync(kept, whole);
  expect(await store.proven(RULES)).toEqual(NOTHING);
});
