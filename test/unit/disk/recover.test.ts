/** What a killed process left in quarantine. */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { file } from '../../contract/endpoint.ts';
import { disk, filesLike, folder, leaveVictim } from '../../support/disk.ts';
import { unreaped } from '../../support/unreaped.ts';

test('a victim that is what was to be replaced goes away', async () => {
  const { root, base } = await folder();
  leaveVictim(base, { path: 'a', known: [file('old').digest] }, 'old');
  await disk(root);
  expect([readdirSync(root), readdirSync(base)]).toEqual([[], ['root']]);
});

test('a victim that was written meanwhile goes back to its path', async () => {
  const { root, base } = await folder();
  leaveVictim(base, { path: 'a', known: [file('old').digest] }, 'newer');
  await disk(root);
  expect(filesLike(root, /./)).toEqual({ a: 'newer' });
  expect(readdirSync(base)).toEqual(['root']);
});

test('also that of a killed process whose parent does not ask for it', async () => {
  const { root, base } = await folder();
  using owner = await unreaped('sleep', '1000');
  const start = readFileSync(`/proc/${owner.pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19];
  leaveVictim(base, { path: 'a', known: [file('old').digest] }, 'newer', `${owner.pid}-${start}`);
  await disk(root);
  expect(filesLike(root, /./)).toEqual({});
  await owner.kill();
  await disk(root);
  expect(filesLike(root, /./)).toEqual({ a: 'newer' });
  expect(readdirSync(base)).toEqual(['root']);
});

test('or beside it, when something stands there', async () => {
  const { root, base } = await folder();
  writeFileSync(`${root}/a`, 'new');
  leaveVictim(base, { path: 'a', known: [file('old').digest] }, 'newer');
  await disk(root);
  expect(filesLike(root, /./)).toEqual({
    a: 'new',
    [`a.conflict-container-${file('newer').digest.slice(0, 8)}`]: 'newer',
  });
  expect(readdirSync(base)).toEqual(['root']);
});

test.each(['../../etc/passwd', '/etc/passwd', ''])('a forged ticket for %j stays in the root', async (path) => {
  const { root, base } = await folder();
  leaveVictim(base, { path, known: [file('old').digest] }, 'newer');
  await disk(root);
  expect(readdirSync(base)).toEqual(['root']);
  for (const name of readdirSync(root)) expect(readFileSync(`${root}/${name}`, 'utf8')).toBe('newer');
  expect(readdirSync(root)).toHaveLength(1);
});

test('a staging folder of a living process stays', async () => {
  const { root, base } = await folder();
  const first = await disk(root);
  let during: string[] = [];
  await first.apply([{ path: 'a', before: null, after: file('a') }], {
    async *open() {
      await disk(root);
      during = readdirSync(`${base}/.drydock-root`);
      yield Buffer.from('a');
    },
  });
  expect(during).toHaveLength(1);
  expect(filesLike(root, /./)).toEqual({ a: 'a' });
});
