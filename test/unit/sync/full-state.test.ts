/** The disk that holds the state of sync is really full. */
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { DrydockError } from '../../../shared/core/errors.ts';
import { mayMount, mount } from '../../support/mount.ts';
import { SyncPair } from '../../support/sync-pair.ts';
import { sha256 } from '../../support/trees.ts';

/** A disk of 2 MiB, and the way to fill it to the last byte. */
function smallDisk() {
  const at = mkdtempSync(join(tmpdir(), 'drydock-full-'));
  onTestFinished(() => rmSync(at, { recursive: true, force: true }));
  mount('-t', 'tmpfs', '-o', 'size=2m', 'none', at);
  const ballast = join(at, 'ballast');
  return {
    at,
    fill: () => {
      for (let size = 1024 * 1024; size >= 1;) {
        try {
          appendFileSync(ballast, Buffer.alloc(size));
        } catch {
          size >>= 1;
        }
      }
    },
    empty: () => rmSync(ballast),
  };
}

async function pairOn(stateDir: string, from?: SyncPair): Promise<SyncPair> {
  const files = { a: '1', b: '1', c: '1' };
  const disks = from ?? (await SyncPair.open({ host: files, container: files }));
  if (from === undefined) await disks.close();
  const pair = await SyncPair.on(disks, stateDir);
  onTestFinished(() => pair.session.close());
  return pair;
}

describe.runIf(mayMount())('a full disk', () => {
  test('what cannot be journaled is not replaced, and it is told; once there is room all goes on, and the state is whole', async () => {
    const disk = smallDisk();
    const pair = await pairOn(disk.at);
    await pair.session.quiet();
    disk.fill();
    const descriptors = () => readdirSync('/proc/self/fd').length;
    const before = descriptors();
    for (let n = 0; n < 30; n++) {
      pair.host.write('a', `full ${n}`);
      if (n === 0) await pair.until(() => pair.container.text('a') === 'full 0');
      await expect(pair.session.settleOnce()).rejects.toMatchObject({ code: 'io' });
    }
    // The first went into quarantine, where it waits; the next is not to follow it there.
    expect([pair.container.text('a'), pair.container.quarantine.size]).toEqual(['full 0', 1]);
    expect(
      pair.session
        .view()
        .problems.map(({ message }) => message)
        .join(),
    ).toMatch(/ENOSPC/);
    expect(descriptors()).toBeLessThan(before + 10);
    disk.empty();
    await pair.until(() => pair.container.text('a') === 'full 29');
    pair.host.write('b', '2');
    await pair.synced('b', 'container');
    await pair.session.settleOnce();
    expect(pair.session.view().problems).toEqual([]);
    expect(pair.container.quarantine.size).toBe(0);
    const kept = pair.store.journal.entries.map(({ blob }) => blob);
    expect(kept).toEqual(expect.arrayContaining([sha256('1'), sha256('full 0')]));
    expect(pair.store.journal.entries.at(-1)).toMatchObject({ path: 'b', blob: sha256('1') });
    const left = await pair.killed();
    await pair.session.close();
    // Were the base older than what both have, this would be a conflict.
    pair.host.write('a', 'after');
    const next = await pairOn(left, pair);
    await next.synced('a', 'container');
    await next.session.quiet();
    expect(next.container.all()).toEqual({ a: 'after', b: '2', c: '1' });
    expect(next.told('conflict')).toEqual([]);
  });

  test('a start says so, leaves nothing behind, and works once there is room', async () => {
    const disk = smallDisk();
    const first = await pairOn(disk.at);
    await first.session.quiet();
    await first.session.close();
    disk.fill();
    const said = await pairOn(disk.at, first).catch((error: unknown) => error);
    expect(said).toMatchObject({ code: 'io' });
    expect(String((said as DrydockError).hint)).toMatch(/^Make room/);
    disk.empty();
    expect(readdirSync(disk.at, { recursive: true }).filter((name) => /lock|\.new$/.test(String(name)))).toEqual([]);
    const next = await pairOn(disk.at, first);
    await next.session.quiet();
    expect(next.told('conflict')).toEqual([]);
  });
});
