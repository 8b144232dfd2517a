/** What is more than a frame holds travels in another way or is told, and ends nobody. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { VICTIM_INLINE_LIMIT } from '../../../shared/core/sync/endpoint.ts';
import { MAX_FRAME } from '../../../shared/core/protocol.ts';
import { News, contents, file } from '../../contract/endpoint.ts';
import { agent, remote } from '../../support/agent.ts';
import { diskPair } from '../../support/disk-pair.ts';

const whole = (n: number, size: number) => Buffer.alloc(size, `${n} `);
/** Victims that travel inside their outcomes. */
const victims = Array.from({ length: MAX_FRAME / VICTIM_INLINE_LIMIT + 2 }, (_, n) => whole(n, VICTIM_INLINE_LIMIT));

test('files that come together', async () => {
  const made = await agent();
  const endpoint = await remote(made);
  await endpoint.scan();
  const news = new News();
  await endpoint.watch(news.onChange, news.onLost);
  const count = Math.ceil(MAX_FRAME / 60_000) + 50;
  mkdirSync(`${made.base}/new`);
  for (let n = 0; n < count; n++) writeFileSync(`${made.base}/new/f${n}`, whole(n, 60_000));
  made.program.child.kill('SIGSTOP'); // all of it is there at its next look
  for (let n = 0; n < count; n++) renameSync(`${made.base}/new/f${n}`, `${made.root}/f${n}`);
  made.program.child.kill('SIGCONT');
  const told = news.until(() => new Set(news.told.map(({ path }) => path)).size === count);
  await Promise.race([told, made.program.ended]);
  expect(made.program.isAlive).toBe(true);
  expect(news.told.find(({ path }) => path === 'f7')?.node).toEqual(file(whole(7, 60_000)));
});

test('files that are deleted together are all in the journal', async () => {
  const made = await agent();
  const files = { 'score.py': 'v1', ...Object.fromEntries(victims.map((victim, n) => [`d/f${n}`, victim])) };
  const pair = await diskPair({ files, container: { ...made, endpoint: await remote(made) } });
  expect(await made.outside.list()).toHaveLength(victims.length + 2);
  rmSync(`${pair.host.root}/d`, { recursive: true });
  await pair.synced('d', 'container');
  await pair.session.quiet();
  expect(await made.outside.list()).toEqual(['score.py']);
  const kept = new Set(pair.store.journal.entries.map(({ blob }) => blob));
  expect(victims.filter((victim) => !kept.has(file(victim).digest))).toEqual([]);
});

test('outcomes that no session asks for: the call fails, and the next one is served', async () => {
  const made = await agent();
  for (const [n, victim] of victims.entries()) writeFileSync(`${made.root}/f${n}`, victim);
  const endpoint = await remote(made);
  await endpoint.scan();
  const changes = victims.map((victim, n) => ({ path: `f${n}`, before: file(victim), after: null }));
  await expect(endpoint.apply(changes, contents())).rejects.toMatchObject({ code: 'io' });
  expect((await endpoint.scan()).root?.children.size).toBe(0);
});
