/** What a killed process left in quarantine. */
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { collect, file } from '../../contract/endpoint.ts';
import { disk, filesLike, folder, leaveVictim, make, releaseAll } from '../../support/disk.ts';
import { unreaped } from '../../support/unreaped.ts';

test('a victim that is what was to be replaced is told, and waits until it is released', async () => {
  const { root, base } = await folder();
  leaveVictim(base, { path: 'd/a', known: [file('old').digest, file('new').digest], after: file('new') }, 'old');
  const ticket = { path: 'd/a', before: file('old'), after: file('new') };
  for (let n = 0; n < 3; n += 1) {
    const endpoint = await disk(root);
    const [left] = await endpoint.left();
    expect(left).toMatchObject(ticket);
    expect((await collect(endpoint.readHeld(left?.held ?? ''))).toString()).toBe('old');
    await endpoint.close();
  }
  const last = await disk(root);
  await releaseAll(last);
  await last.tidy();
  expect(await last.left()).toEqual([]);
  expect([readdirSync(root), readdirSync(base)]).toEqual([[], ['root']]);
});

test('so is one whose answer may have been lost, by the next endpoint of the same process', async () => {
  const { root, base } = await folder();
  writeFileSync(`${root}/a`, 'old');
  writeFileSync(`${root}/b`, 'old b');
  const first = await disk(root);
  await make(first, { path: 'a', before: file('old'), after: file('new') }, 'new');
  await make(first, { path: 'b', before: file('old b'), after: null });
  const next = await disk(root);
  expect(await next.left()).toEqual([]); // the first tells of them while it lives
  expect(await first.left()).toHaveLength(2);
  await first.close();
  expect(await next.left()).toMatchObject([
    { path: 'a', before: file('old'), after: file('new') },
    { path: 'b', before: file('old b'), after: null },
  ]);
  await releaseAll(next);
  await next.close();
  expect([readdirSync(root), readdirSync(base)]).toEqual([['a'], ['root']]);
});

test('what waits is all that the list of it keeps in the long run', async () => {
  const { root, base } = await folder();
  const endpoint = await disk(root);
  const held: string[] = [];
  const long = 'n'.repeat(200);
  for (let n = 0; n < 600; n += 1) {
    writeFileSync(`${root}/${long}`, `${n}`);
    const outcome = await make(endpoint, { path: long, before: file(`${n}`), after: null });
    held.push((outcome.result === 'done' && outcome.victim?.held) || '');
    if (held.length > 20) await endpoint.release(held.splice(0, 1));
  }
  const [own] = readdirSync(`${base}/.drydock-root`);
  expect(statSync(`${base}/.drydock-root/${own}/tickets`).size).toBeLessThan(100_000);
  await endpoint.close();
  const left = await (await disk(root)).left();
  expect(left.map(({ before }) => before).sort()).toEqual(
    Array.from({ length: 20 }, (_, n) => file(`${580 + n}`)).sort(),
  );
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
