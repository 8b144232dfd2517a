import { appendFileSync, closeSync, openSync, renameSync, writeFileSync, writeSync, ftruncateSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Outcome } from '../../../shared/core/sync/endpoint.ts';
import { nodeAt } from '../../../shared/core/sync/tree.ts';
import { collect, file } from '../../contract/endpoint.ts';
import { disk, folder, launch, make, watched } from '../../support/disk.ts';

test('a file that an editor truncates and fills is never told as empty', async () => {
  const { root } = await folder();
  writeFileSync(`${root}/a`, 'old');
  const endpoint = await disk(root);
  const news = await watched(endpoint);
  for (let round = 0; round < 10; round += 1) {
    const fd = openSync(`${root}/a`, 'w');
    await sleep(5); // What the editor does between: the case under test, not a wait for a result.
    writeSync(fd, `round ${round}`);
    closeSync(fd);
    await news.says('a', file(`round ${round}`));
  }
  expect(news.told.filter(({ node }) => node?.kind === 'file' && node.size === 0)).toEqual([]);
});

test('nor one that was filled and truncated again between two looks', async () => {
  const { root } = await folder();
  writeFileSync(`${root}/a`, 'old');
  const news = await watched(await disk(root));
  const fd = openSync(`${root}/a`, 'w');
  await sleep(5); // The endpoint sees it empty …
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 80); // … and nothing of what follows.
  writeSync(fd, 'first');
  ftruncateSync(fd, 0);
  await sleep(5);
  writeSync(fd, 'second', 0);
  closeSync(fd);
  await news.says('a', file('second'));
  expect(news.told.filter(({ node }) => node?.kind === 'file' && node.size === 0)).toEqual([]);
});

test('a file that stays empty is told as empty', async () => {
  const { root } = await folder();
  writeFileSync(`${root}/a`, 'old');
  const news = await watched(await disk(root));
  writeFileSync(`${root}/a`, '');
  await news.says('a', file(''));
  writeFileSync(`${root}/new`, '');
  await news.says('new', file(''));
});

test('a scan answers for a file that was just truncated only when it was filled or stayed empty', async () => {
  const { root } = await folder();
  writeFileSync(`${root}/a`, 'old');
  const endpoint = await disk(root);
  const fd = openSync(`${root}/a`, 'w');
  const scan = endpoint.scan();
  setTimeout(() => writeSync(fd, 'filled'), 10);
  expect(nodeAt((await scan).root, 'a')).toEqual(file('filled'));
  ftruncateSync(fd, 0);
  expect(nodeAt((await endpoint.scan()).root, 'a')).toEqual(file(''));
  closeSync(fd);
});

function kindOf(outcome: Outcome): string | undefined {
  return outcome.result === 'refused' ? outcome.found?.kind : undefined;
}

test('a change of a truncated file is refused with what it is: busy', async () => {
  const { root } = await folder();
  writeFileSync(`${root}/a`, 'old');
  const endpoint = await disk(root);
  const news = await watched(endpoint);
  writeFileSync(`${root}/a`, '');
  const truncated = performance.now();
  const outcome = await make(endpoint, { path: 'a', before: file('old'), after: file('new') }, 'new');
  // Where this machine stood still for longer than an empty file is waited for, it is what it is.
  const isWaitedFor = performance.now() - truncated < 50;
  expect(outcome).toMatchObject({
    result: 'refused',
    found: isWaitedFor || kindOf(outcome) === 'opaque' ? { kind: 'opaque', reason: 'busy' } : file(''),
  });
  writeFileSync(`${root}/a`, 'old');
  await news.says('a', file('old'));
});

test('a log that never rests is told by a prefix that can be read', async () => {
  const { root } = await folder();
  writeFileSync(`${root}/log`, Buffer.alloc(3_000_000, 'x'));
  const endpoint = await disk(root);
  const news = await watched(endpoint);
  const writer = launch('append.ts', [`${root}/log`]);
  const told = await news.until(() => news.told.find(({ path, node }) => path === 'log' && node?.kind === 'file'));
  const node = told.node?.kind === 'file' ? told.node : null;
  expect(node?.size).toBeGreaterThanOrEqual(3_000_000);
  const data = await collect(endpoint.read('log', node?.digest ?? ''));
  expect(file(data)).toEqual(node);
  writer.kill();
  await news.until(() => {
    const last = news.told.findLast(({ path }) => path === 'log')?.node;
    return last?.kind === 'file' && last.size > (node?.size ?? 0);
  });
});

test('a file that is rewritten in place without rest is busy, then told', async () => {
  const { root } = await folder();
  writeFileSync(`${root}/big`, Buffer.alloc(3_000_000, 'x'));
  const endpoint = await disk(root);
  const news = await watched(endpoint);
  const writer = launch('rewrite.ts', [`${root}/big`]);
  await news.until(() =>
    news.told.find(({ path, node }) => path === 'big' && node?.kind === 'opaque' && node.reason === 'busy'),
  );
  writer.kill();
  await news.until(() => news.told.findLast(({ path }) => path === 'big')?.node?.kind === 'file');
});

test('states that are told existed: a program that writes A or B whole', async () => {
  const { root } = await folder();
  const [a, b] = [Buffer.alloc(30_000, 'a'), Buffer.alloc(30_000, 'b')];
  writeFileSync(`${root}/x`, a);
  const news = await watched(await disk(root));
  for (let round = 0; round < 200; round += 1) {
    writeFileSync(`${root}/next.ign`, round % 2 === 0 ? b : a);
    renameSync(`${root}/next.ign`, `${root}/x`);
    if (round % 20 === 0) await sleep(0);
  }
  appendFileSync(`${root}/x`, 'end');
  await news.says('x', file(Buffer.concat([a, Buffer.from('end')])));
  const known = new Set([file(a).digest, file(b).digest, file(Buffer.concat([a, Buffer.from('end')])).digest]);
  for (const { path, node } of news.told)
    if (path === 'x') expect(node?.kind === 'file' && known.has(node.digest)).toBe(true);
});
