/** Many files are made durable by one call where the system has it; where that fails each is asked for itself. */
import { closeSync, openSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadSyncAll, Syncer } from '../../../shared/disk/syncing.ts';
import { folder } from '../../support/disk.ts';

const NONE = 1_000_000; // no descriptor has this number

async function descriptors(count: number): Promise<{ readonly fds: readonly number[]; readonly close: () => void }> {
  const { root } = await folder();
  const fds = Array.from({ length: count }, (_, n) => openSync(`${root}/${n}`, 'w'));
  return { fds, close: () => fds.forEach((fd) => closeSync(fd)) };
}

async function failing(syncer: Syncer, fds: readonly number[]): Promise<readonly number[]> {
  const failed: number[] = [];
  await syncer.sync(
    fds,
    (fd) => fd,
    (fd) => failed.push(fd),
  );
  return failed;
}

test('many by one call, few by one each', async () => {
  const { fds, close } = await descriptors(20);
  const asked: number[] = [];
  const syncer = new Syncer((fd) => Promise.resolve(void asked.push(fd)));
  expect(await failing(syncer, fds)).toEqual([]);
  expect(asked).toEqual([fds[0]]);
  expect(await failing(syncer, [...fds.slice(0, 5), NONE])).toEqual([NONE]);
  expect(asked).toHaveLength(1);
  close();
});

test('where the one call fails, or there is none, it is told which could not be made durable', async () => {
  const { fds, close } = await descriptors(20);
  for (const all of [() => Promise.reject(new Error('EIO')), null]) {
    expect(await failing(new Syncer(all), [...fds, NONE])).toEqual([NONE]);
  }
  close();
});

test('where the one call may not reach the disk each is asked for itself', async () => {
  // Not one of the file systems of which it is known, as FUSE is not.
  const fds = Array.from({ length: 20 }, () => openSync('/proc/self/status', 'r'));
  let asked = 0;
  const syncer = new Syncer(() => Promise.resolve(void (asked += 1)));
  const failed = await failing(syncer, fds); // no file of procfs can be synced
  expect(failed.toSorted((a, b) => a - b)).toEqual(fds);
  expect(asked).toBe(0);
  for (const fd of fds) closeSync(fd);
});

test('one call that has to write what others made is not asked again for a while', async () => {
  const { fds, close } = await descriptors(20);
  let asked = 0;
  const syncer = new Syncer(() => {
    asked += 1;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600);
    return Promise.resolve();
  });
  for (let n = 0; n < 3; n += 1) expect(await failing(syncer, fds)).toEqual([]);
  expect(asked).toBe(1);
  close();
});

test('the system’s own call', async () => {
  const all = await loadSyncAll();
  if (all === null) throw new Error('this system has no such call');
  const { fds, close } = await descriptors(1);
  await all(fds[0] ?? NONE);
  await expect(all(NONE)).rejects.toThrow('syncfs');
  close();
});
