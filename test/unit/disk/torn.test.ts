/** Readers that look all the time, and a process that is killed at any moment, never see a file in part. */
import { once } from 'node:events';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { file } from '../../contract/endpoint.ts';
import { disk, folder, launch, make, releaseAll } from '../../support/disk.ts';

test('a reader sees the old content or the new one at every instant', async () => {
  const { root } = await folder();
  const [a, b] = [Buffer.alloc(300_000, 'a'), Buffer.alloc(200_000, 'b')];
  writeFileSync(`${root}/x`, a);
  const endpoint = await disk(root);
  const reader = launch('read-all-the-time.ts', [`${root}/x`]);
  await once(reader.stdout, 'data');
  for (let round = 0; round < 100; round += 1) {
    const [before, after] = round % 2 === 0 ? [a, b] : [b, a];
    expect(await make(endpoint, { path: 'x', before: file(before), after: file(after) }, after)).toMatchObject({
      result: 'done',
    });
  }
  reader.stdin.end();
  const [report] = (await once(reader.stdout, 'data')) as [Buffer];
  const { reads, wrong } = JSON.parse(String(report)) as { reads: number; wrong: string[] };
  expect(reads).toBeGreaterThan(100);
  expect(wrong).toEqual([]);
});

test('SIGKILL at any moment: every path is old or new, and the next endpoint leaves nothing of the dead one', async () => {
  const { root, base } = await folder();
  mkdirSync(`${root}/d`);
  const names = Array.from({ length: 40 }, (_, index) => `d/f${index}`);
  for (let round = 0; round < 12; round += 1) {
    for (const name of names) writeFileSync(`${root}/${name}`, `old ${name}`);
    const child = launch('apply-much.ts', [root]);
    const ended = once(child, 'close'); // it may have done all by then
    await once(child.stdout, 'data');
    await sleep(round * 4); // The moment of the kill is the case under test.
    child.kill('SIGKILL');
    await ended;
    const next = await disk(root);
    for (const name of names) {
      const there = readdirSync(`${root}/d`).includes(name.slice(2));
      if (there) expect([`old ${name}`, `new ${name}`]).toContain(readFileSync(`${root}/${name}`, 'utf8'));
    }
    expect(readdirSync(`${root}/d`).filter((name) => name.includes('conflict'))).toEqual([]);
    for (const { path, before } of await next.left())
      expect([file(`old ${path}`), file(`new ${path}`)]).toContainEqual(before);
    await releaseAll(next);
    await next.close();
    expect(readdirSync(base)).toEqual(['root']);
  }
});
