/** What a console remembers of paths does not grow with all that ever came and went. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, onTestFinished, test } from 'vitest';
import { BaseLog } from '../../../console/engine/sync/base-log.ts';
import { Rows } from '../../../console/engine/sync/rows.ts';
import { newSession } from '../../../shared/core/sync/session.ts';
import { EMPTY } from '../../../shared/core/sync/tree.ts';
import { file, tree } from '../../support/trees.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes in use that `work` leaves behind. */
function left(work: () => void): number {
  collect();
  const before = process.memoryUsage().heapUsed;
  work();
  collect();
  return process.memoryUsage().heapUsed - before;
}

const MB = 1024 * 1024;

test('of 100,000 paths in folders of their own that were agreed on and went', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'drydock-log-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const log = BaseLog.create(join(folder, 'base.log'), EMPTY);
  onTestFinished(() => log.close());
  const comeAndGo = (from: number, to: number) => {
    for (let n = from; n < to; n++) {
      log.moved([
        [`runs/${n}`, { kind: 'dir' }],
        [`runs/${n}/out`, file('1')],
      ]);
      log.moved([[`runs/${n}`, null]]);
      if (log.isOutgrown) log.rewrite(tree({ runs: {} }));
    }
  };
  comeAndGo(0, 20_000);
  expect(left(() => comeAndGo(20_000, 100_000))).toBeLessThan(6 * MB);
  // Those that went last are known.
  expect([...(log.known.children.get('runs') as { children: ReadonlyMap<string, unknown> }).children.keys()]).toContain(
    '99999',
  );
});

test('of 100,000 paths in folders of their own that travelled and went', () => {
  const rows = new Rows();
  const state = newSession();
  const comeAndGo = (from: number, to: number) => {
    for (let n = from; n < to; n++) {
      const now = tree({ here: '1', runs: { [`${n}`]: { out: '1' } } });
      rows.travelled(`runs/${n}/out`, { to: 'host', ms: 1, at: n });
      const shown = rows.of({
        ...state,
        host: { ...state.host, tree: now },
        container: { ...state.container, tree: now },
      });
      if (shown.at(-1)?.last?.at !== n) throw new Error('its travel is not shown');
      // Deleted while nobody looks at the rows.
      rows.travelled(`gone/${n}/out`, { to: 'host', ms: 1, at: n });
    }
  };
  comeAndGo(0, 20_000);
  expect(left(() => comeAndGo(20_000, 100_000))).toBeLessThan(6 * MB);
});
