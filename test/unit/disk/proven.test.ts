/** What one endpoint has read the next one need not read, as long as nobody has touched it. */
import { mkdirSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { file, plain } from '../../contract/endpoint.ts';
import { disk, folder, provenBy } from '../../support/disk.ts';

test('a file with the stamp of before is taken for what it was; any other is read', async () => {
  const { root } = await folder();
  mkdirSync(`${root}/d`);
  for (const name of ['same', 'd/same', 'written', 'replaced', 'moved', 'touched'])
    writeFileSync(`${root}/${name}`, '1');
  const first = await disk(root);
  const proven = await provenBy(first, 6);
  await first.close();
  // Only what is not read can be told with what never was in it.
  const told = new Map([...proven].map(([path, { stamp }]) => [path, { stamp, node: file(`not read: ${path}`) }]));
  writeFileSync(`${root}/written`, '2');
  writeFileSync(`${root}/new`, '2');
  renameSync(`${root}/new`, `${root}/replaced`);
  renameSync(`${root}/moved`, `${root}/d/moved`);
  utimesSync(`${root}/touched`, 1, 1);
  const { root: tree } = await (await disk(root, { proven: { files: told, ruled: true } })).scan();
  expect(plain(tree)).toEqual({
    d: { same: file('not read: d/same'), moved: file('1') },
    same: file('not read: same'),
    written: file('2'),
    replaced: file('2'),
    touched: file('1'),
  });
});

test('what was written a moment ago proves nothing', async () => {
  const { root } = await folder();
  const first = await disk(root, { can: { grain: 60_000 } });
  writeFileSync(`${root}/a`, '1');
  await first.scan();
  expect([...first.proven().keys()]).toEqual([]);
});

test('the second look of one endpoint reads what its first one was told', async () => {
  const { root } = await folder();
  writeFileSync(`${root}/a`, '1');
  const first = await disk(root);
  const proven = await provenBy(first, 1);
  const second = await disk(root, { proven: { files: proven, ruled: true } });
  writeFileSync(`${root}/a`, '2');
  expect(plain((await second.scan()).root)).toEqual({ a: file('2') });
  expect((await provenBy(second, 1)).get('a')?.node).toEqual(file('2'));
});

test('what other rules ignore is not taken for what it was', async () => {
  const { root } = await folder();
  for (const name of ['a', 'b.ign']) writeFileSync(`${root}/${name}`, '1');
  const first = await disk(root, { ignored: () => false });
  const files = await provenBy(first, 2);
  await first.close();
  const { root: tree } = await (await disk(root, { proven: { files, ruled: false } })).scan();
  expect(plain(tree)).toEqual({ a: file('1') });
});
