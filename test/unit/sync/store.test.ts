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

test('stamps of files come back', async () => {
  const { store } = await openStore();
  expect(await store.proven()).toEqual(new Map());
  await store.keepProven(FILES);
  expect(await store.proven()).toEqual(FILES);
});

test('damaged, they are none', async () => {
  const { store, kept } = await openStore();
  await store.keepProven(FILES);
  const whole = readFileSync(kept);
  truncateSync(kept, whole.length - 2);
  expect(await store.proven()).toEqual(new Map());
  whole[20] = (whole[20] ?? 0) ^ 1;
  writeFileSync(kept, whole);
  expect(await store.proven()).toEqual(new Map());
});
