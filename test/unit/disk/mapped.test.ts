/** Files that programs write through a mapping: a look that trusts their stamps sees nothing of it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { DiskOptions } from '../../../shared/disk/disk.ts';
import { file } from '../../contract/endpoint.ts';
import { disk, folder, make, mapper, provenBy } from '../../support/disk.ts';

/** Written through a mapping, looked at, and written again under the same stamp. */
async function mapped(size: number, options: Partial<DiskOptions> = {}) {
  const content = (letter: string) => Buffer.alloc(size, '.').fill(letter, 0, 1);
  const { root } = await folder();
  const path = `${root}/m.dat`;
  writeFileSync(path, content('a'));
  const write = await mapper(path);
  await write('b');
  const endpoint = await disk(root, options);
  await provenBy(endpoint, 1);
  await write('c');
  return { endpoint, root, write, content, first: () => readFileSync(path, 'utf8').slice(0, 1) };
}

test('a refusal tells what stands there, whatever the stamp says, and the next change finds it as it is', async () => {
  const { endpoint, content, first } = await mapped(4096);
  expect(await make(endpoint, { path: 'm.dat', before: file(content('b')), after: file('ours') }, 'ours')).toEqual({
    path: 'm.dat',
    result: 'refused',
    found: file(content('c')),
    data: content('c'),
  });
  expect(first()).toBe('c');
  expect(
    await make(endpoint, { path: 'm.dat', before: file(content('c')), after: file('ours') }, 'ours'),
  ).toMatchObject({ result: 'done', victim: { data: content('c') } });
});

test('a large one, where nothing holds what is replaced in quarantine', async () => {
  const { endpoint, content, first } = await mapped(3 * 1024 * 1024, { can: { exchange: false, hardLinks: false } });
  const change = { path: 'm.dat', before: file(content('b')), after: file('ours') };
  expect(await make(endpoint, change, 'ours')).toEqual({
    path: 'm.dat',
    result: 'refused',
    found: file(content('c')),
  });
  expect(first()).toBe('c');
});
