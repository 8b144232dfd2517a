/** What a killed process left in quarantine. */
import { mkdirSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { file } from '../../contract/endpoint.ts';
import { disk, filesLike, folder } from '../../support/disk.ts';
import { unreaped } from '../../support/unreaped.ts';

/** The staging folder of a process, one that is no more unless it is named, with one victim in it. */
function leave(base: string, ticket: object, content: string, owner = `${spawnSync('true').pid}-1`): void {
  const space = readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
  const left = `${base}/.drydock-root/${owner}-${space}-00000000`;
  mkdirSync(left, { recursive: true, mode: 0o700 });
  writeFileSync(`${left}/victim-1`, content);
  writeFileSync(`${left}/tickets`, `${JSON.stringify({ name: 'victim-1', ...ticket })}\n{"name": "vic`);
  writeFileSync(`${left}/new-2`, 'half a fi');
}

test('a victim that is what was to be replaced goes away', async () => {
  const { root, base } = await folder();
  leave(base, { path: 'a', digest: file('old').digest }, 'old');
  await disk(root);
  expect([readdirSync(root), readdirSync(base)]).toEqual([[], ['root']]);
});

test('a victim that was written meanwhile goes back to its path', async () => {
  const { root, base } = await folder();
  leave(base, { path: 'a', digest: file('old').digest }, 'newer');
  await disk(root);
  expect(filesLike(root, /./)).toEqual({ a: 'newer' });
  expect(readdirSync(base)).toEqual(['root']);
});

test('also that of a killed process whose parent does not ask for it', async () => {
  const { root, base } = await folder();
  using owner = await unreaped('sleep', '1000');
  const start = readFileSync(`/proc/${owner.pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19];
  leave(base, { path: 'a', digest: file('old').digest }, 'newer', `${owner.pid}-${start}`);
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
  leave(base, { path: 'a', digest: file('old').digest }, 'newer');
  await disk(root);
  expect(filesLike(root, /./)).toEqual({
    a: 'new',
    [`a.conflict-container-${file('newer').digest.slice(0, 8)}`]: 'newer',
  });
  expect(readdirSync(base)).toEqual(['root']);
});

test.each(['../../etc/passwd', '/etc/passwd', ''])('a forged ticket for %j stays in the root', async (path) => {
  const { root, base } = await folder();
  leave(base, { path, digest: file('old').digest }, 'newer');
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
