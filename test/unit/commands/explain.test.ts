import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { explain } from '../../../console/commands/explain.ts';
import { replicas } from '../../../console/commands/replicas.ts';
import { Reporter } from '../../../console/commands/report.ts';
import { inServer } from '../../fixtures/explain/cases.ts';

const LOG = inServer('import cv2', '<module>', "ModuleNotFoundError: No module named '\x1b[31mcv2\x1b[0m'");

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'drydock-explain-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

async function said(run: (reporter: Reporter) => Promise<number>, json: boolean) {
  const out = new PassThrough();
  const err = new PassThrough();
  const code = await run(new Reporter(json, out, err, {}));
  out.end();
  err.end();
  return { code, out: await text(out), err: await text(err) };
}

function explained(content: string | Buffer, json = false) {
  const file = join(dir, 'log.txt');
  writeFileSync(file, content);
  return said((reporter) => explain(reporter, file), json);
}

test('a log is explained with stage, place, cause and mend, without its control characters', async () => {
  const { code, out } = await explained(LOG);
  expect(code).toBe(0);
  expect(out).toMatch(
    /^import at \/var\/azureml-app\/score\.py:14\n {2}line 9: ModuleNotFoundError: No module named 'cv2'\n/,
  );
  expect(out).toMatch(
    /cause: .*\n {2}mend: {2}.*pip install opencv-python-headless.*\n {2}known: missing-module, from https:/,
  );
  expect(out).toMatch(/It also says:\n {2}start, line 21: the worker could not load/);
});

test('--json is one object', async () => {
  const { out } = await explained(LOG, true);
  expect(JSON.parse(out)).toMatchObject({
    explained: true,
    cut: false,
    explanations: [{ rule: 'missing-module', stage: 'import', file: '/var/azureml-app/score.py', fileLine: 14 }, {}],
  });
});

test('what nobody knows is said so, with the last traceback', async () => {
  expect(await explained('all well\n')).toMatchObject({
    code: 1,
    out: expect.stringContaining('No rule knows') as string,
  });
  const { code, out } = await explained(
    'Traceback (most recent call last):\n  File "/app/x.py", line 2, in f\n    g()\nOddError: no\n',
  );
  expect(code).toBe(1);
  expect(out).toContain('x.py:2 OddError: no, in f()');
  expect(JSON.parse((await explained('', true)).out)).toMatchObject({ explained: false, explanations: [] });
});

test('of a large text the end is looked at, from a file as from a pipe', async () => {
  const large = Buffer.concat([Buffer.alloc(9_000_000, 'no space left on device\n'), Buffer.from(LOG)]);
  const file = await explained(large, true);
  expect(file.err).toContain('only the last 4.2 MB');
  expect(JSON.parse(file.out)).toMatchObject({ cut: true, bytes: large.length });
  const parts = Array.from({ length: 10 }, (_, part) => large.subarray(part * 1_000_000, (part + 1) * 1_000_000));
  const piped = await said((reporter) => explain(reporter, '-', Readable.from(parts)), true);
  expect(JSON.parse(piped.out)).toEqual(JSON.parse(file.out));
});

test('a file that is not there is wrong usage', async () => {
  await expect(said((reporter) => explain(reporter, join(dir, 'none')), false)).rejects.toMatchObject({
    code: 'usage',
  });
  await expect(said((reporter) => explain(reporter, dir), false)).rejects.toMatchObject({ code: 'usage' });
});

test('replicas are said in the names of v1 and v2', async () => {
  const load = { rps: 20, seconds: 10, utilization: 0.7, perReplica: 1 };
  const { out } = await said((reporter) => replicas(reporter, load), false);
  expect(out).toContain('autoscale_min_replicas=286,');
  expect(out).toContain('autoscale_max_replicas=409,');
  expect(out).toContain('replica_max_concurrent_requests=1,');
  expect(out).toContain('autoscale_target_utilization=70,');
  expect(out).toContain('instance_count: 286');
  expect(out).toContain('max_concurrent_requests_per_instance: 1');
  expect(out).toContain('WORKER_COUNT: "1"');
  const { out: json } = await said((reporter) => replicas(reporter, load), true);
  expect(JSON.parse(json)).toMatchObject({
    replicas: 286,
    v1: { autoscale_min_replicas: 286, autoscale_max_replicas: 409, replica_max_concurrent_requests: 1 },
    v2: { instance_count: 286, request_settings: { max_concurrent_requests_per_instance: 1 } },
  });
});
