/** Requests to the service: sent, captured, asked again; what the code raised is told although the service hides it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { derivedImage } from '../support/derived-image.ts';
import { engine } from '../support/engine.ts';
import { drydock, LiveContainer, REQUEST, Running, score, until, Workspace } from '../support/live.ts';
import { Run } from '../support/run.ts';
import { serversImage } from '../support/servers-image.ts';
import { command } from '../support/servers.ts';

interface Told {
  readonly id: string;
  readonly status: number;
  readonly source: string;
  readonly fresh: boolean;
  readonly failed?: string | null;
  readonly ms: number;
  readonly told: readonly (readonly [string, string])[];
  readonly body: string;
  readonly answer: string;
  readonly failure: {
    readonly type: string;
    readonly hint?: string;
    readonly frames: readonly {
      readonly file: string;
      readonly line: number;
      readonly function: string;
      readonly locals?: readonly { readonly name: string; readonly value: string }[];
    }[];
  } | null;
}

const lines = <T>(stdout: string): T[] =>
  stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);

const code = (body: string) => `import json


def init():
    pass


def share(amount, by):
    return amount / by


def run(data):
    asked = json.loads(data)
    api_key = 'hidden'
    ${body}
`;

/** In the container, with a mark of its own. */
const CLIENT = `import urllib.request
headers = {'content-type': 'application/json', 'x-drydock-request': '0123abcd'}
asked = urllib.request.Request('http://127.0.0.1:5001/score', b'{"data": 8, "by": 2}', headers)
print(urllib.request.urlopen(asked).status)`;

const post = async (url: string, body: string): Promise<{ status: number; text: string }> => {
  const answer = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
  return { status: answer.status, text: await answer.text() };
};

test('a client’s failed request is told with its line and variables, and the client’s answer stays what it was', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  const { app } = workspace;
  const verb = (...words: string[]) => drydock([...words, '--json'], workspace);
  await using sync = new Running(['sync', container.name, '--dir', app, '--json', '--redact', 'patient'], workspace);
  await sync.event('the first comparison', ({ event }) => event === 'ready');
  const answering = (share: string) => code(`return {'share': ${share}, 'patient': asked.get('patient')}`);
  writeFileSync(join(app, 'score.py'), answering("share(asked['data'][0], asked['by'])"));
  await sync.event('the new code', ({ event, ok }) => event === 'reloaded' && ok === true);
  const url = await container.scoreUrl();

  expect((await post(url, '{"data": [6], "by": 3, "patient": "Bob"}')).text).toContain('"share": 2.0');
  const hidden = await post(url, '{"data": [6], "by": 0, "patient": "Ann"}');
  expect(hidden.status).toBe(500);
  expect(hidden.text).not.toContain('Zero');

  const { stdout, stderr } = await verb('requests', container.name);
  expect(stderr).toMatch(/^2 kept, [\d.]+ kB of 16 MB$/m);
  const listed = lines<Told>(stdout);
  expect(listed.map(({ status, source, failed }) => [status, source, failed])).toEqual([
    [200, 'client', null],
    [500, 'client', 'score.py:9 ZeroDivisionError: division by zero'],
  ]);
  const [one] = lines<Told>((await verb('requests', container.name, listed[1]?.id ?? '')).stdout);
  expect(one?.failure?.frames.slice(-2)).toMatchObject([
    { file: '/var/azureml-app/score.py', line: 15, function: 'run' },
    { file: '/var/azureml-app/score.py', line: 9, function: 'share' },
  ]);
  const [outer, inner] = (one?.failure?.frames.slice(-2) ?? []).map(
    ({ locals = [] }) => new Map(locals.map(({ name, value }) => [name, value])),
  );
  expect(outer?.get('asked')).toBe("{'data': [6], 'by': 0, 'patient': •••}");
  expect(outer?.get('api_key')).toBe('•••');
  expect([inner?.get('amount'), inner?.get('by')]).toEqual(['6', '0']);
  // Bodies and answers are shown without secrets, too; and no variables where nobody wants them.
  const masked = (await verb('requests', container.name, listed[0]?.id ?? '', '--redact', 'patient')).stdout;
  const [good] = lines<Told>(masked);
  const [body, answer] = [good?.body, good?.answer].map((base64 = '') => Buffer.from(base64, 'base64').toString());
  expect(JSON.parse(body ?? '')).toEqual({ data: [6], by: 3, patient: '•••' });
  expect(JSON.parse(answer ?? '')).toEqual({ share: 2, patient: '•••' });
  const without = ['requests', container.name, listed[1]?.id ?? '', '--redact', 'patient', '--no-locals'];
  const text = (await drydock(without, workspace)).stdout;
  expect(text).toContain('ZeroDivisionError: division by zero');
  expect(text).not.toMatch(/amount = |asked = |Ann/);
  const [bare] = lines<Told>((await verb(...without)).stdout);
  expect(bare?.failure?.frames.at(-1)).toMatchObject({ function: 'share' });
  expect(bare?.failure?.frames.filter(({ locals }) => locals !== undefined)).toEqual([]);

  // The same once more, by the verb: of this very request.
  writeFileSync(join(workspace.dir, 'bad.json'), '{"data": [6], "by": 0}');
  const scored = await verb('score', container.name, '--data', join(workspace.dir, 'bad.json'));
  expect(scored.exitCode).toBe(1);
  expect(lines<Told>(scored.stdout)[0]).toMatchObject({
    status: 500,
    fresh: false,
    failure: { type: 'ZeroDivisionError' },
  });
  // A key that the request lacks is told with the mend, to whoever asks and of whoever sent it.
  const mend = 'run() reads the key by, and sent is data: send {"by": …}, or let run() read data';
  writeFileSync(join(workspace.dir, 'keyless.json'), '{"data": [6]}');
  const keyless = ['score', container.name, '--data', join(workspace.dir, 'keyless.json')];
  expect((await drydock(keyless, workspace)).stdout).toContain(`→ ${mend}`);
  expect((await post(url, '{"data": [6]}')).status).toBe(500);
  const { id = '' } = lines<Told>((await verb('requests', container.name)).stdout).at(-1) ?? {};
  const [lacking] = lines<Told>((await verb('requests', container.name, id)).stdout);
  expect(lacking).toMatchObject({ source: 'client', failure: { type: 'KeyError', hint: mend } });

  // Edited code answers otherwise: that is found, and well again when it is mended.
  writeFileSync(join(app, 'score.py'), answering("share(asked['data'][0], asked.get('by') or 1) + 1"));
  await sync.event(
    'the edited code',
    (event) =>
      event.event === 'reloaded' &&
      sync.events.filter(({ event: name, ok }) => name === 'reloaded' && ok === true).length === 2,
  );
  const replayed = await verb('replay', container.name, '--all');
  expect(replayed.exitCode).toBe(1);
  const [first] = lines<{ ok: boolean; differences: unknown; before: Told; now: Told }>(replayed.stdout);
  expect(first).toMatchObject({ ok: false, differences: [{ at: '$.share', before: '2', now: '3' }] });
  expect(first?.before).toMatchObject({ source: 'client', ms: good?.ms });
  expect(first?.now.ms).toBeGreaterThan(0);
  const tolerant = await drydock(['replay', container.name, '--all', '--tolerance', '0.5'], workspace);
  expect(tolerant.exitCode).toBe(0);
  expect(tolerant.stdout).toMatch(/^✓ \w{8} {2}POST \/score → 200 in [\d.]+ ms, before 200 in [\d.]+ ms$/m);
});

test.each([
  ['published on this machine', {}],
  ['not published', { unpublished: true }],
])('requests of Drydock’s to a service that is %s are listed once each', async (_, options) => {
  await using container = await LiveContainer.start('plain-user', options);
  using workspace = new Workspace();
  const verb = (words: string[], input = '') => drydock([...words, '--json'], workspace, input);
  await using sync = new Running(['sync', container.name, '--dir', workspace.app, '--json'], workspace);
  await sync.event('the first comparison', ({ event }) => event === 'ready');
  writeFileSync(join(workspace.app, 'score.py'), code("return asked['data'] / asked['by']"));
  await sync.event('the new code', ({ event, ok }) => event === 'reloaded' && ok === true);

  const good = await verb(['score', container.name, '--data', '-'], '{"data": 6, "by": 3}');
  expect([good.exitCode, lines<Told>(good.stdout)[0]]).toMatchObject([
    0,
    { status: 200, source: 'score', failure: null },
  ]);
  const bad = await verb(['score', container.name, '--data', '-'], '{"data": 7, "by": 0}');
  const [failed] = lines<Told>(bad.stdout);
  expect([bad.exitCode, failed]).toMatchObject([
    1,
    { status: 500, fresh: false, failure: { type: 'ZeroDivisionError' } },
  ]);
  const locals = failed?.failure?.frames.at(-1)?.locals;
  expect(locals).toContainEqual(expect.objectContaining({ name: 'asked', value: "{'data': 7, 'by': 0}" }));
  const again = await verb(['replay', container.name, '--all']);
  expect(lines<{ ok: boolean; now: Told }>(again.stdout).map(({ ok, now }) => [ok, now.status, now.fresh])).toEqual([
    [true, 200, false],
    [false, 500, false],
  ]);

  // A client of its own: of what is kept it comes last, after whatever the workers have told of the others.
  expect(await container.exec('python3', '-c', CLIENT)).toBe('200');
  await until('the client’s is listed', async () => (await listed()).some(({ source }) => source === 'client'));
  expect((await listed()).map(({ status, source }) => [status, source])).toEqual([
    [200, 'score'],
    [500, 'score'],
    [200, 'replay'],
    [500, 'replay'],
    [200, 'client'],
  ]);

  async function listed(): Promise<Told[]> {
    return lines<Told>((await verb(['requests', container.name])).stdout);
  }
});

test.each([
  ['on the container’s own loopback is asked by the agent, although its port is published', '127.0.0.1', 'inside'],
  ['that is published on this machine is asked from here', '0.0.0.0', 'outside'],
])('a service %s', async (_, address, from) => {
  const server = `import http.server


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'from inside' if self.client_address[0] == '127.0.0.1' else b'from outside')


http.server.HTTPServer(('${address}', 5001), Handler).serve_forever()
`;
  const command = [
    'sh',
    '-c',
    'mkdir ~/app && cd ~/app && printf %s "$0" > server.py && exec python3 server.py',
    server,
  ];
  await using container = await LiveContainer.start('plain-user', { command, cold: true });
  using workspace = new Workspace();
  const connect = "import socket; socket.create_connection(('127.0.0.1', 5001))";
  const isOpen = () =>
    container.exec('python3', '-c', connect).then(
      () => true,
      () => false,
    );
  await until('it listens', isOpen);
  mkdirSync(join(workspace.dir, 'my app'));
  for (const folder of ['my app', '.']) writeFileSync(join(workspace.dir, folder, 'sample.json'), '{}');
  writeFileSync(join(workspace.dir, 'drydock.yaml'), 'dir: my app\n');
  const without = await drydock(['score', container.name], workspace);
  expect(without.stderr).toContain(`drydock score ${container.name} --data "my app/sample.json"`);
  for (const flags of [[], ['--port', '5001']]) {
    const scored = await drydock(['score', container.name, '--data', '-', ...flags], workspace, REQUEST);
    expect(scored).toMatchObject({ exitCode: 0, stdout: expect.stringContaining(`from ${from}`) as string });
  }
});

test('what is kept is off where nobody wants it', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  await using sync = new Running(['sync', container.name, '--dir', workspace.app, '--no-capture', '--json'], workspace);
  await sync.event('the first comparison', ({ event }) => event === 'ready');
  writeFileSync(join(workspace.app, 'score.py'), code('return []'));
  await sync.event('the new code', ({ event, ok }) => event === 'reloaded' && ok === true);
  await post(await container.scoreUrl(), REQUEST);
  const listed = await drydock(['requests', container.name, '--no-capture', '--json'], workspace);
  expect(listed.stdout).toBe('');
});

test('where no worker tells, a fresh process of the same code is asked the same', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  const scored = await drydock(
    ['score', container.name, '--no-hook', '--data', '-', '--json'],
    workspace,
    '{"rows": [1]}',
  );
  expect(scored.exitCode).toBe(1);
  const [told] = lines<Told>(scored.stdout);
  expect(told).toMatchObject({ status: 500, fresh: true, failure: { type: 'KeyError' } });
  expect(told?.failure?.hint).toContain('run() reads the key data, and sent is rows');
  expect(Object.fromEntries(told?.told ?? [])).toMatchObject({
    server: 'gunicorn',
    'x-ms-server-version': expect.stringMatching(/^azmlinfsrv\/\d/) as string,
    'x-ms-run-function-failed': 'True',
  });
  const good = await drydock(['score', container.name, '--data', '-'], workspace, REQUEST);
  expect(good.exitCode).toBe(0);
  expect(good.stdout).toContain('POST /score → 200 in ');
  expect(good.stdout).toMatch(/server: gunicorn · .*x-ms-run-fn-exec-ms: [\d.]+/);
  const bad = await drydock(['score', container.name, '--data', '-', '--content-type', 'text/plain'], workspace, 'x');
  expect(bad.exitCode).toBe(1);
  const missing = await drydock(['score', container.name, '--data', 'absent.json'], workspace);
  expect(missing.exitCode).toBe(2);
});

test('an application of uvicorn that answers 500 is asked the same in a fresh process, which it has started as a server does', async () => {
  using workspace = new Workspace();
  const app = `from contextlib import asynccontextmanager
from fastapi import Body, FastAPI

@asynccontextmanager
async def lifespan(app):
    app.state.factor = 2
    yield

app = FastAPI(lifespan=lifespan)

@app.post('/score')
def score(body: dict = Body(...)):
    factor = app.state.factor
    return body['data'] * factor
`;
  writeFileSync(join(workspace.dir, 'api.py'), app);
  const args = ['-v', `${join(workspace.dir, 'api.py')}:/tmp/api.py:ro`];
  const command = ['sh', '-c', 'cd /tmp && exec uvicorn api:app --host 0.0.0.0 --port 5001'];
  await using container = await LiveContainer.start('plain-user', {
    image: await serversImage(),
    args,
    command,
    cold: true,
  });
  const url = await container.scoreUrl();
  await until('it answers', async () => (await score(url)).status > 0);
  const scored = await drydock(['score', container.name, '--data', '-', '--json'], workspace, '{"rows": 21}');
  expect(scored.exitCode).toBe(1);
  const [told] = lines<Told>(scored.stdout);
  expect(told).toMatchObject({ status: 500, fresh: true, failure: { type: 'KeyError' } });
  expect(told?.failure?.hint).toContain('score() reads the key data, and sent is rows');
  expect(told?.failure?.frames.at(-1)).toMatchObject({ file: '/tmp/api.py', line: 14 });
  expect(told?.failure?.frames.at(-1)?.locals).toContainEqual({ name: 'factor', type: 'int', value: '2' });
  const good = await drydock(['score', container.name, '--data', '-'], workspace, '{"data": 21}');
  expect(good.stdout).toContain('42');
});

test('a failed request to FastAPI under uvicorn is told, before and after its code has been started anew', async () => {
  const api = (line: string) => `from fastapi import FastAPI

app = FastAPI()


@app.post('/score')
def score(asked: dict):
    api_key, patient = 'k', 'Ann'
    ${line}
`;
  await using real = await engine();
  await using image = await derivedImage(real, 'plain-user', {
    from: serversImage,
    files: { 'web.py': api("return {'answer': asked['data'] / asked['by']}") },
    lines: ['USER dockeruser', ...command('uvicorn', 'web:app', '--host', '0.0.0.0', '--port', '5001')],
  });
  await using started = await new Run().run(image.tag);
  expect(started.exitCode).toBe(0);
  const { workspace, name } = started;
  const { app } = workspace;
  const verb = (...words: string[]) => drydock([...words, '--json'], workspace);
  writeFileSync(join(app, 'web.py'), api("return {'answer': asked['data'] / asked['by']}"));
  const words = ['sync', name, '--dir', app, '--union', '--json', '--redact', 'patient'];
  await using sync = new Running(words, workspace);
  await sync.event('the first comparison', ({ event }) => event === 'ready');
  const url = started.told.scoreUrl;
  expect(await post(url, '{"data": 6, "by": 3}')).toMatchObject({ status: 200, text: '{"answer":2.0}' });
  expect((await post(url, '{"data": 6, "by": 0}')).status).toBe(500);
  const listed = async () =>
    lines<Told>((await verb('requests', name)).stdout).map(({ status, source, fresh, failed }) => [
      ...[status, source, fresh, failed],
    ]);
  const before = [
    [200, 'client', false, null],
    [500, 'client', false, 'web.py:9 ZeroDivisionError: division by zero'],
  ];
  expect(await listed()).toEqual(before);

  writeFileSync(join(app, 'web.py'), api("return asked['missing']"));
  await sync.event('the new code', ({ event, ok }) => event === 'reloaded' && ok === true);
  const bad = join(workspace.dir, 'bad.json');
  writeFileSync(bad, '{"data": 6}');
  const [scored] = lines<Told>((await verb('score', name, '--data', bad)).stdout);
  expect(scored).toMatchObject({ status: 500, fresh: false, failure: { type: 'KeyError' } });
  const frame = scored?.failure?.frames.at(-1);
  expect(frame).toMatchObject({ file: '/var/azureml-app/web.py', line: 9 });
  expect(new Map(frame?.locals?.map(({ name, value }) => [name, value])).get('patient')).toBe('•••');
  const after = [...before, [500, 'score', false, "web.py:9 KeyError: 'missing'"]];
  expect(await listed()).toEqual(after);

  await sync[Symbol.asyncDispose]();
  await using quiet = new Running([...words, '--no-capture'], workspace);
  await quiet.event('the comparison', ({ event }) => event === 'ready');
  await post(url, '{"data": 6}');
  await post(url, '{"data": 6}');
  expect(await listed()).toEqual(after);
});

test('load: a rate is kept, and told in percentiles with the replicas that it needs', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  const words = ['score', container.name, '--data', '-', '--rate', '20', '--seconds', '2', '--json'];
  const result = await drydock(words, workspace, REQUEST);
  expect(result.exitCode).toBe(0);
  const [told] = lines<{ sent: number; statuses: object; ms: Record<string, number>; replicas: { v1: object } }>(
    result.stdout,
  );
  expect(told).toMatchObject({
    sent: 40,
    statuses: { '200': 40 },
    replicas: { v1: { autoscale_target_utilization: 70, replica_max_concurrent_requests: 1 } },
  });
  expect(told?.ms['p50']).toBeLessThanOrEqual(told?.ms['p99'] ?? 0);
  // Of code that fails, too, and then it is not well.
  const failing = await drydock([...words.slice(0, 4), '--rate', '10', '--seconds', '1', '--json'], workspace, '{}');
  expect([failing.exitCode, lines(failing.stdout)[0]]).toMatchObject([1, { sent: 10, statuses: { '500': 10 } }]);
  const scored = await drydock(['score', container.name, '--data', '-'], workspace, REQUEST);
  expect(scored.exitCode).toBe(0);
  const needed = await drydock(['replicas', '--rps', '20', '--from', container.name, '--json'], workspace);
  expect(lines<{ replicas: number }>(needed.stdout)[0]?.replicas).toBeGreaterThanOrEqual(1);
});
