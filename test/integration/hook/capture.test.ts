/** What passes is told with what the code raised, and nobody who asks can notice. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Captured } from '../../../agent/hook/messages.ts';
import { app, Gunicorn } from '../../support/gunicorn.ts';
import { GUNICORNS } from '../../support/python.ts';

/** Answers 500 with nothing of the cause in it and logs that, as Flask and azmlinfsrv do. */
const HIDING = `import json, logging

class Model:
    def __init__(self):
        self.name, self.password = 'm', 'p'
    def __repr__(self):
        open('shown', 'w')
    __class__ = property(__repr__)

def score(text):
    asked = json.loads(text)
    api_key, model, rows = 'k', Model(), [[1, 2]] * 5000
    return asked['data'] / asked['by']

def app(environ, start_response):
    status = '200 OK'
    try:
        answer = str(score(environ['wsgi.input'].read()))
    except Exception:
        logging.getLogger('app').exception('not told')
        status, answer = '500 INTERNAL SERVER ERROR', 'An unexpected error occurred.'
    body = answer.encode()
    start_response(status, [('Content-Type', 'text/plain'), ('Content-Length', str(len(body))), ('X-Ms-Run', '1')])
    return [body]
`;

const BAD = '{"data": 1, "by": 0, "token": "t", "patient": "Ann"}';
const LINE = HIDING.split('\n').findIndex((line) => line.includes("asked['by']")) + 1;

interface Asked {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly text: string;
}

async function post(gunicorn: Gunicorn, body: string, headers: Record<string, string> = {}): Promise<Asked> {
  const url = `http://127.0.0.1:${gunicorn.port}/score?v=1`;
  const answer = await fetch(url, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
  });
  const { date: _, ...told } = Object.fromEntries(answer.headers);
  return { status: answer.status, headers: told, text: await answer.text() };
}

/** The last good request, after all that was told up to now: a worker tells after its answer, and before it takes another. */
async function last(gunicorn: Gunicorn): Promise<unknown> {
  await gunicorn.get();
  return gunicorn.channel.request();
}

async function told(gunicorn: Gunicorn): Promise<Captured[]> {
  await last(gunicorn);
  return gunicorn.messages.flatMap((message) => ('captured' in message ? [message.captured] : []));
}

const localsOf = ({ failure }: Captured): Record<string, string> =>
  Object.fromEntries(failure?.frames.at(-1)?.locals?.map(({ name, value }) => [name, value]) ?? []);

describe.each(GUNICORNS)('gunicorn %s', (version) => {
  test('a failure that the answer hides is told with its line and variables; the answer is the same to the byte', async () => {
    await using gunicorn = await Gunicorn.start({ version, way: null, files: { 'app.py': HIDING }, waits: false });
    const before = [await post(gunicorn, BAD), await post(gunicorn, '{"data": 6, "by": 3}')];
    await gunicorn.hook();
    await gunicorn.accepted();
    expect([await post(gunicorn, BAD), await post(gunicorn, '{"data": 6, "by": 3}')]).toEqual(before);
    const [bad, good] = await told(gunicorn);
    expect(bad).toMatchObject({
      id: null,
      method: 'POST',
      path: '/score',
      query: 'v=1',
      headers: { CONTENT_TYPE: 'application/json' },
      body: Buffer.from(BAD).toString('base64'),
      cut: false,
      status: '500 INTERNAL SERVER ERROR',
      told: [
        ['Content-Type', 'text/plain'],
        ['X-Ms-Run', '1'],
      ],
      answerCut: false,
      failure: { type: 'ZeroDivisionError' },
    });
    expect(bad?.failure?.frames.at(-1)).toMatchObject({ file: `${gunicorn.dir}/app.py`, line: LINE, user: true });
    expect(bad && localsOf(bad)).toEqual({
      text: expect.stringContaining("bytes of 52 bytes: b'{") as string,
      asked: "{'data': 1, 'by': 0, 'token': •••, 'patient': 'Ann'}",
      api_key: '•••',
      model: "Model(name='m', password=•••)",
      rows: '[[1, 2], [1, 2], [1, 2], [1, 2], [1, 2], [1, 2], [1, 2], [1, 2], … 5000 in all]',
    });
    expect(await last(gunicorn)).toMatchObject({ status: '200 OK' });
    expect(good).toMatchObject({ status: '200 OK', failure: null, answer: Buffer.from('2.0').toString('base64') });
    // Nothing of the user's was run to show it.
    expect(() => gunicorn.remove('shown')).toThrow();
  });

  test('the line is that of the code which ran, whatever lies on the disk by then', async () => {
    await using gunicorn = await Gunicorn.start({ version, way: 'live', files: { 'app.py': app(1) } });
    gunicorn.write('app.py', HIDING);
    await gunicorn.accepted();
    gunicorn.write('app.py', HIDING.replace("return asked['data'] / asked['by']", 'pass # mended'));
    await post(gunicorn, BAD);
    const [{ failure } = {}] = await told(gunicorn);
    expect(failure?.frames.at(-1)).toMatchObject({ line: LINE, code: "return asked['data'] / asked['by']" });
    expect(failure?.traceback).not.toContain('mended');
  });

  test('what is wished later counts for workers that serve already', async () => {
    await using gunicorn = await Gunicorn.start({ version, way: 'live', files: { 'app.py': app(1) } });
    gunicorn.write('app.py', HIDING);
    await gunicorn.accepted();
    const settings = { do: 'settings', capture: true, variables: true, redact: [] } as const;
    gunicorn.channel.say({ ...settings, redact: ['patient$', 'patient', '(rows'] });
    await last(gunicorn);
    await post(gunicorn, BAD);
    await last(gunicorn);
    gunicorn.channel.say({ ...settings, variables: false });
    await last(gunicorn);
    await post(gunicorn, BAD);
    await last(gunicorn);
    gunicorn.channel.say({ ...settings, capture: false });
    expect(await last(gunicorn)).toBeNull();
    await post(gunicorn, '{"data": 6, "by": 3}');
    const all = await told(gunicorn);
    expect(all).toHaveLength(2);
    expect(all[0] && localsOf(all[0])['asked']).toBe("{'data': 1, 'by': 0, 'token': •••, 'patient': •••}");
    expect(all[1] && localsOf(all[1])).toEqual({});
    expect(await last(gunicorn)).toBeNull();
  });
});

const [version] = GUNICORNS.slice(-1);
const start = (text: string, args: readonly string[] = []) =>
  Gunicorn.start({ version: version ?? '23.0.0', way: 'start', files: { 'app.py': text }, args });

test('of many so many a second are told, and every one that carries an ID', async () => {
  await using gunicorn = await start(app('yes'));
  const from = performance.now();
  await post(gunicorn, '{}', { 'x-drydock-request': 'no id; at all' });
  expect((await told(gunicorn)).at(-1)).toMatchObject({ id: null });
  for (let n = 0; n < 100; n += 1) await gunicorn.post();
  const seconds = (performance.now() - from) / 1000;
  const few = await told(gunicorn);
  // Ten at once, and three a second from then on.
  expect(few.length).toBeGreaterThanOrEqual(10);
  expect(few.length).toBeLessThanOrEqual(10 + Math.ceil(3 * seconds));
  for (let n = 0; n < 30; n += 1) await post(gunicorn, '{}', { 'x-drydock-request': `id-${n}` });
  const marked = (await told(gunicorn)).filter(({ id }) => id !== null);
  expect(marked.map(({ id }) => id)).toEqual(Array.from({ length: 30 }, (_, n) => `id-${n}`));
});

test('code that raises, at once or amid its answer', async () => {
  const inside = `if environ['QUERY_STRING'] == 'v=1':
    secret, left = 's', 3
    def parts():
        yield b'begun'
        raise KeyError(left)
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return parts() if environ.get('CONTENT_TYPE') == 'amid' else 1 / 0`;
  await using gunicorn = await start(app('yes', { inside }));
  await expect(post(gunicorn, '', { 'content-type': 'amid' })).rejects.toThrow();
  expect((await post(gunicorn, '')).status).toBe(500);
  const all = await told(gunicorn);
  expect(all.map(({ status, failure }) => [status.slice(0, 3), failure?.type])).toEqual([
    ['500', 'KeyError'],
    ['500', 'ZeroDivisionError'],
  ]);
  expect(all[1] && localsOf(all[1])).toMatchObject({ secret: '•••', left: '3' });
});

test('bodies and answers that are too large are told of without them', async () => {
  const inside = `if environ['QUERY_STRING'] == 'v=1':
    start_response('200 OK', [])
    return [b'x' * 20000]`;
  await using gunicorn = await start(app('yes', { inside }));
  await post(gunicorn, 'x'.repeat(200_000));
  await post(gunicorn, 'x'.repeat(90_000));
  const [large, fits] = await told(gunicorn);
  expect(large).toMatchObject({ cut: true, body: '', answerCut: true, answer: '' });
  expect(fits).toMatchObject({ cut: false, answerCut: true });
  // The gate asks only what is whole.
  expect(await last(gunicorn)).toBeNull();
});

test('a path is told as it was asked for, and asked so by the gate and in a trial', async () => {
  const inside = `if environ['REQUEST_METHOD'] == 'POST':
    with open('asked', 'a') as file:
        file.write(ascii([environ['PATH_INFO'], environ['QUERY_STRING']]) + '\\n')`;
  await using gunicorn = await start(app('yes', { inside }));
  const [path, query] = ['/%C5%82/my%20model%3F%25', 'v=%20%3F'];
  await fetch(`http://127.0.0.1:${gunicorn.port}${path}?${query}`, { method: 'POST' });
  expect(await told(gunicorn)).toMatchObject([{ path, query }]);
  await gunicorn.accepted({ gate: 'last' });
  await gunicorn.trial({ method: 'POST', path, query, headers: {}, body: '' });
  const asked = new Set(readFileSync(`${gunicorn.dir}/asked`, 'utf8').split('\n'));
  expect([...asked]).toEqual(["['/\\xc5\\x82/my model?%', 'v=%20%3F']", '']);
});
