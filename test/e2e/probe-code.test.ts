/** The probes that boot the code: init, run, and what they share with the others. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ProbeReport } from '../../shared/core/service.ts';
import { drydock, LiveContainer, SAMPLE, until, Workspace } from '../support/live.ts';
import { serversImage } from '../support/servers-image.ts';

const SCRIPT = '/var/azureml-app/score.py';
const text = (part: string) => expect.stringContaining(part) as string;
const match = (pattern: RegExp) => expect.stringMatching(pattern) as string;

const put = (container: LiveContainer, path: string, ...lines: string[]) =>
  container.exec('sh', '-c', 'printf "%s" "$1" > "$2"', 'sh', `${lines.join('\n')}\n`, path);

const probing =
  (container: LiveContainer, workspace: Workspace) =>
  async (name: string, ...words: string[]) => {
    const { stdout, stderr } = await drydock(['probe', container.name, name, '--json', ...words], workspace);
    if (stdout === '') throw new Error(stderr);
    return JSON.parse(stdout) as ProbeReport;
  };

const step = ({ steps }: ProbeReport, name: string) => steps.findLast((one) => one.name === name);

test.each(['plain-user', 'plain-root'] as const)(
  '%s: an init() that raises is told by its line, with its traceback, in the probes that boot, and is one failure of all',
  async (variant) => {
    await using container = await LiveContainer.start(variant);
    using workspace = new Workspace();
    const probe = probing(container, workspace);
    const well = await probe('init');
    expect(well).toMatchObject({ ok: true, steps: [{ name: 'server' }, { name: 'import' }, { name: 'init()' }, {}] });
    expect(step(well, 'time to start')?.detail).toMatch(
      /^init takes .*; Azure gives 310 s .*; gunicorn 300 s .*WORKER_TIMEOUT/,
    );

    await put(
      container,
      SCRIPT,
      'def init():',
      '    global model',
      "    model = np.load('x')",
      '',
      'def run(data):',
      '    return data',
    );
    const broken = await probe('init');
    expect(broken.ok).toBe(false);
    expect(step(broken, 'init()')).toMatchObject({
      ok: false,
      detail: text("NameError: name 'np' is not defined, in init()"),
      hint: text('import numpy as np'),
      place: {
        file: SCRIPT,
        line: 3,
        source: { first: 1, lines: expect.arrayContaining(['    global model']) as string[] },
      },
      failure: { type: 'NameError', traceback: text('line 3, in init') },
    });
    const all = await probe('all');
    expect(all.ok).toBe(false);
    expect(all.steps.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(['init()']);
    const skipped = { ok: true, skipped: true, detail: 'not run: init() failed' };
    expect(all.steps.filter((one) => one.skipped)).toEqual([
      { name: 'run()', ...skipped },
      { name: 'fresh start', ...skipped },
    ]);
    expect(step(await probe('run'), 'run()')).toMatchObject({ ok: false, detail: text('not asked: the code fails') });
    const said = await drydock(['probe', container.name, 'all'], workspace);
    const lines = said.stdout.split('\n');
    expect(lines.filter((line) => line.startsWith('✗'))).toEqual([
      "✗ init(): score.py:3 NameError: name 'np' is not defined, in init()",
    ]);
    expect(lines).toEqual(expect.arrayContaining(['– run(): not run: init() failed']));
    expect(said.exitCode).toBe(1);
  },
);

test('a slow init() is told by what it imports and loads', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  const work = ['import time', 'end = time.perf_counter() + 0.3', 'while time.perf_counter() < end:', '    pass'];
  await put(container, '/var/azureml-app/slow_thing.py', ...work, 'held = bytearray(30_000_000)');
  await container.exec(
    'python3',
    '-c',
    "import pickle; pickle.dump(bytearray(40_000_000), open('/tmp/big.pkl', 'wb'), 4)",
  );
  await put(
    container,
    SCRIPT,
    ...['import pickle', 'def init():', '    global model', '    import slow_thing'],
    ...["    model = pickle.load(open('/tmp/big.pkl', 'rb'))", 'def run(data):', '    return data'],
  );
  const report = await probing(container, workspace)('init', '--profile');
  expect(report.ok).toBe(true);
  const imported = /^([\d.]+) s of its own, [\d.]+ s with what it imports, (\d+) MB, in init\(\)$/.exec(
    step(report, 'import slow_thing')?.detail ?? '',
  );
  expect(Number(imported?.[1])).toBeGreaterThanOrEqual(0.3);
  expect(Number(imported?.[2])).toBeGreaterThanOrEqual(29);
  const loaded = / (\d+) MB: \/tmp\/big\.pkl$/.exec(step(report, 'pickle.load')?.detail ?? '');
  expect(Number(loaded?.[1])).toBeGreaterThanOrEqual(39);
  expect(report.steps.filter(({ name }) => name.startsWith('import ')).length).toBeLessThanOrEqual(15);
});

const DECORATED = [
  'from inference_schema.schema_decorators import input_schema',
  'from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType',
  'def init():',
  '    pass',
  "@input_schema('data', StandardPythonParameterType([[1.5, 2.5]]))",
  "@input_schema('method', StandardPythonParameterType('sum'))",
  'def run(data, method):',
  '    return [method, sum(data[0])]',
];

test('run() is asked the example of its decorators, and wrong keys are named', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  const probe = probing(container, workspace);
  await put(container, SCRIPT, ...DECORATED);
  const well = await probe('run');
  expect(well).toMatchObject({
    ok: true,
    steps: [
      { name: 'input', detail: text('the example in /swagger.json: {') },
      { name: 'run()', detail: match(/^run\(data, method\), score\.py:\d+, takes the keys of the JSON/) },
      { name: 'answer', detail: match(/^POST \/score of a fresh process .* → 200 in \d+ ms: \["sum", ?4\.0\]/) },
    ],
  });
  const wrong = join(workspace.dir, 'wrong.json');
  writeFileSync(wrong, '{"inputs": [[1]]}');
  expect(step(await probe('run', '--data', wrong), 'answer')).toMatchObject({
    ok: false,
    detail: text('→ 400'),
    hint: 'run() wants data, method, and sent is inputs: send {"data": …, "method": …}',
  });
});

test('run() that reads the JSON itself: its KeyError names the key; a swagger.json by hand; an error with status 200', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  const probe = probing(container, workspace);
  const wrong = join(workspace.dir, 'wrong.json');
  writeFileSync(wrong, '{"inputs": [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]]}');
  expect(step(await probe('run', '--data', wrong), 'answer')).toMatchObject({
    ok: false,
    detail: match(/^KeyError: 'data', in run\(\)/),
    hint: 'run() reads the key data, and sent is inputs: send {"data": …}, or let run() read inputs',
    place: { file: SCRIPT, line: 17 },
  });
  const sample = await probe('run', '--sample', join(SAMPLE, 'sample-request.json'));
  expect(sample).toMatchObject({ ok: true, steps: [{ detail: text('the sample (--sample') }, {}, { ok: true }] });

  const example = { data: [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]] };
  const document = { swagger: '2.0', paths: {}, definitions: { ServiceInput: { type: 'object', example } } };
  await put(container, '/var/azureml-app/swagger.json', JSON.stringify(document));
  expect(await probe('run')).toMatchObject({
    ok: true,
    steps: [{ detail: text('the example in /swagger.json') }, {}, {}],
  });

  const body = [
    '    try:',
    '        return json.loads(data)["rows"]',
    '    except Exception as e:',
    '        return {"error": str(e)}',
  ];
  await put(container, SCRIPT, 'import json', 'def init():', '    pass', 'def run(data):', ...body);
  expect(step(await probe('run'), 'answer')).toMatchObject({
    ok: false,
    detail: text('the status says that all is well'),
  });
});

test('an application of uvicorn is asked the example of its own description', async () => {
  using workspace = new Workspace();
  const image = await serversImage();
  const command = ['sh', '-c', 'cd /tmp && exec uvicorn api:app --host 0.0.0.0 --port 5001'];
  const app = [
    'from fastapi import FastAPI, Body',
    'app = FastAPI()',
    "@app.post('/score')",
    "def score(body: dict = Body(examples=[{'data': [1, 2]}])):",
    "    return sum(body['data'])",
  ].join('\n');
  writeFileSync(join(workspace.dir, 'api.py'), `${app}\n`);
  const args = ['-v', `${join(workspace.dir, 'api.py')}:/tmp/api.py:ro`];
  await using container = await LiveContainer.start('plain-user', { image, args, command, cold: true });
  const url = (await container.scoreUrl()).replace('/score', '/openapi.json');
  await until('the application answers', async () => (await fetch(url).catch(() => null))?.status === 200);
  const probe = probing(container, workspace);
  expect(await probe('init')).toMatchObject({ ok: true, steps: [{ name: 'import' }, { name: 'time to start' }] });
  expect(await probe('run')).toMatchObject({
    ok: true,
    steps: [
      { name: 'input', detail: 'the example in /openapi.json: {"data":[1,2]}' },
      { name: 'answer', detail: match(/^POST \/score of a fresh process of the code on disk → 200 in \d+ ms: 3$/) },
    ],
  });
});

test('a script without a server is asked in a process of its own', async () => {
  using workspace = new Workspace();
  const lines = [
    ...['import http.server, json, os, sys', 'def init():', '    global factor', '    factor = 2'],
    ...['def run(data):', "    return factor * json.loads(data)['x']"],
    ...[
      "if __name__ == '__main__':",
      '    init()',
      "    http.server.HTTPServer(('', 5001), http.server.SimpleHTTPRequestHandler).serve_forever()",
    ],
  ];
  writeFileSync(join(workspace.dir, 'serve.py'), `${lines.join('\n')}\n`);
  const args = ['-v', `${join(workspace.dir, 'serve.py')}:/tmp/serve.py:ro`];
  const command = ['python3', '/tmp/serve.py'];
  await using container = await LiveContainer.start('plain-user', { args, command, cold: true });
  const url = await container.scoreUrl();
  await until('it listens', async () => (await fetch(url).catch(() => null)) !== null);
  const data = join(workspace.dir, 'x.json');
  writeFileSync(data, '{"x": 21}');
  const probe = probing(container, workspace);
  expect(await probe('run', '--data', data)).toMatchObject({
    ok: true,
    steps: [{}, {}, { detail: match(/→ 200 in \d+ ms: 42$/) }],
  });
  writeFileSync(data, '{"y": 21}');
  expect(step(await probe('run', '--data', data), 'answer')).toMatchObject({
    ok: false,
    hint: text('reads the key x, and sent is y'),
    place: { line: 6 },
  });
  // Nobody describes such a run() but its own decorators.
  writeFileSync(join(workspace.dir, 'serve.py'), `${DECORATED.join('\n')}\n`);
  expect(await probe('run')).toMatchObject({
    ok: true,
    steps: [
      {
        name: 'input',
        detail: text('the sample of the input_schema decorator: {"data": [[1.5, 2.5]], "method": "sum"}'),
      },
      { name: 'run()', detail: match(/^run\(data, method\), serve\.py:\d+, takes the keys of the JSON/) },
      { name: 'answer', detail: match(/→ 200 in \d+ ms: \["sum", ?4\.0\]$/) },
    ],
  });
});
