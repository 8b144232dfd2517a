/** Requests to ASGI applications are told as those to WSGI's are, and nobody who asks can notice. */
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { request as ask } from 'node:http';
import { describe, expect, test } from 'vitest';
import type { Captured } from '../../../agent/hook/messages.ts';
import { Gunicorn } from '../../support/gunicorn.ts';
import { fastapiSite } from '../../support/python.ts';

const FASTAPI = `import asyncio, gc, json, logging, os, weakref
from contextlib import asynccontextmanager
from fastapi import BackgroundTasks, FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import JSONResponse, StreamingResponse

@asynccontextmanager
async def lifespan(app):
    app.state.factor = 2
    yield

app = FastAPI(lifespan=lifespan)
meeting = {}

class Handled(Exception):
    pass

@app.exception_handler(Handled)
async def handled(request, error):
    return JSONResponse({'message': 'not told'}, 500)

@app.get('/')
def health():
    return 'well'

@app.post('/score')
def score(asked: dict):
    api_key = 'k'
    return asked['data'] / asked['by'] * app.state.factor

@app.post('/later')
async def later(asked: dict):
    mine = asked['by']
    meeting.setdefault('all', []).append(mine)
    while len(meeting['all']) < 2:
        await asyncio.sleep(0.001)
    try:
        raise KeyError(mine)
    except KeyError:
        logging.getLogger('app').exception('not told')
    return JSONResponse({}, 500)

@app.post('/refused')
def refused():
    raise HTTPException(400, 'no data')

@app.post('/handled')
def raising(asked: dict):
    raise Handled(asked['data'])

@app.post('/hidden')
def hidden(asked: dict):
    try:
        return asked['data'][0]
    except Exception:
        logging.getLogger('app').exception('not told')
        return JSONResponse({'message': 'not told'}, 500)

@app.post('/grouped')
async def grouped():
    async def fail():
        raise LookupError('one of a group')
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(fail())

@app.post('/stream')
async def stream(request: Request):
    async def parts():
        try:
            for number in range(3):
                yield '{}\\n'.format(number)
                while not os.path.exists('go-{}'.format(number)):
                    await asyncio.sleep(0.001)
        finally:
            open('left', 'w').close()
    return StreamingResponse(parts())

@app.post('/amid')
async def amid():
    async def parts():
        secret = 's'
        yield 'begun'
        raise ValueError('amid')
    return StreamingResponse(parts())

@app.post('/background')
async def background(tasks: BackgroundTasks):
    async def work():
        while not os.path.exists('go'):
            await asyncio.sleep(0.001)
        raise RuntimeError('after the answer')
    tasks.add_task(work)
    return 'answered'

@app.post('/large')
async def large(request: Request):
    return 'x' * 20000 if len(await request.body()) else ''

class Batch:
    pass

batches = []

async def work(fails):
    await fails.wait()
    batch = Batch()
    batches.append(weakref.ref(batch))
    try:
        raise KeyError('of nobody')
    except KeyError:
        logging.getLogger('app').exception('not told')

async def outlived(answer):
    fails = asyncio.Event()
    app.state.worker = asyncio.create_task(work(fails)), fails
    return answer

@app.post('/starts')
async def starts():
    return await outlived('started')

@app.post('/leaves')
async def leaves():
    raise RuntimeError(await outlived('left'))

@app.get('/held')
async def held():
    task, fails = app.state.worker
    fails.set()
    await asyncio.wait([task])
    gc.collect()
    return [batch() is not None for batch in batches]

@app.websocket('/socket')
async def socket(socket: WebSocket):
    await socket.accept()
    await socket.send_text(await socket.receive_text())
    await socket.close()
`;
const line = (text: string): number => FASTAPI.split('\n').findIndex((one) => one.includes(text)) + 1;

const WORKER = ['-k', 'uvicorn.workers.UvicornWorker'];
const start = async (way: 'live' | 'start' | null, args = WORKER): Promise<Gunicorn> =>
  Gunicorn.start({
    version: '23.0.0',
    way,
    args,
    files: { 'app.py': FASTAPI },
    sites: [await fastapiSite()],
    waits: way !== null,
  });

interface Asked {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly text: string;
}

async function post(
  gunicorn: Gunicorn,
  path: string,
  body: string | object,
  headers: Record<string, string> = {},
): Promise<Asked> {
  const answer = await fetch(`http://127.0.0.1:${gunicorn.port}${path}`, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  });
  const { date: _, ...told } = Object.fromEntries(answer.headers);
  return { status: answer.status, headers: told, text: await answer.text() };
}

const captured = (gunicorn: Gunicorn): Captured[] =>
  gunicorn.messages.flatMap((message) => ('captured' in message ? [message.captured] : []));

/** So many that were told, each by its path. */
async function told(gunicorn: Gunicorn, count: number): Promise<Captured[]> {
  await gunicorn.until(`${count} requests`, () => captured(gunicorn).length >= count);
  await gunicorn.get();
  await gunicorn.channel.request();
  return captured(gunicorn);
}

const localsOf = (one: Captured | undefined): Record<string, string> =>
  Object.fromEntries(one?.failure?.frames.at(-1)?.locals?.map(({ name, value }) => [name, value]) ?? []);

describe('uvicorn’s workers', () => {
  test('a failure is told with its line and variables; the answer is the same to the byte', async () => {
    await using gunicorn = await start('live');
    const bad = { data: 1, by: 0, token: 't' };
    const good = { data: 6, by: 3 };
    const before = [await post(gunicorn, '/score', bad), await post(gunicorn, '/score?v=1', good)];
    expect(before.map(({ status }) => status)).toEqual([500, 200]);
    await gunicorn.accepted();
    expect([await post(gunicorn, '/score', bad), await post(gunicorn, '/score?v=1', good)]).toEqual(before);
    const [first, second] = await told(gunicorn, 2);
    expect(first).toMatchObject({
      id: null,
      method: 'POST',
      path: '/score',
      query: '',
      headers: { CONTENT_TYPE: 'application/json' },
      body: Buffer.from(JSON.stringify(bad)).toString('base64'),
      cut: false,
      status: '500 Internal Server Error',
      answer: Buffer.from('Internal Server Error').toString('base64'),
      failure: { type: 'ZeroDivisionError' },
    });
    expect(first?.failure?.frames.at(-1)).toMatchObject({
      file: `${gunicorn.dir}/app.py`,
      line: line("asked['by'] *"),
      user: true,
    });
    expect(localsOf(first)).toEqual({ api_key: '•••', asked: "{'data': 1, 'by': 0, 'token': •••}" });
    expect(second).toMatchObject({ status: '200 OK', query: 'v=1', failure: null, cut: false, answerCut: false });
    expect(Buffer.from(second?.answer ?? '', 'base64').toString()).toBe('4.0');
    expect(await gunicorn.channel.request()).toMatchObject({ path: '/score', status: '200 OK' });
  });

  test('what is no failure, and what the application makes an answer of', async () => {
    await using gunicorn = await start('start');
    expect((await post(gunicorn, '/refused', '')).status).toBe(400);
    expect((await post(gunicorn, '/handled', { data: 7 })).status).toBe(500);
    expect((await post(gunicorn, '/hidden', { data: [] })).status).toBe(500);
    expect((await post(gunicorn, '/grouped', '')).status).toBe(500);
    await gunicorn.get('/?not=told');
    await post(gunicorn, '/refused', '', { 'x-drydock-request': 'mine' });
    const all = await told(gunicorn, 5);
    expect(all.map(({ id, path, status, failure }) => [id, path, status, failure?.type])).toEqual([
      [null, '/refused', '400 Bad Request', undefined],
      [null, '/handled', '500 Internal Server Error', 'Handled'],
      [null, '/hidden', '500 Internal Server Error', 'IndexError'],
      [null, '/grouped', '500 Internal Server Error', 'LookupError'],
      ['mine', '/refused', '400 Bad Request', undefined],
    ]);
    expect(all[1]?.failure?.frames.at(-1)?.line).toBe(line('raise Handled'));
  });

  test('an answer in parts is passed on as it is made, and told when it is whole', async () => {
    await using gunicorn = await start('start');
    const answer = await fetch(`http://127.0.0.1:${gunicorn.port}/stream`, { method: 'POST', body: '' });
    const parts = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    for (const number of [0, 1, 2]) {
      expect((await parts?.read())?.value).toBe(`${number}\n`); // the next is made only when this one is here
      expect(captured(gunicorn)).toEqual([]);
      gunicorn.write(`go-${number}`, '');
    }
    expect((await parts?.read())?.done).toBe(true);
    const [one] = await told(gunicorn, 1);
    expect(one).toMatchObject({ status: '200 OK', answer: Buffer.from('0\n1\n2\n').toString('base64') });
    await expect(post(gunicorn, '/amid', '')).rejects.toThrow();
    const amid = (await told(gunicorn, 2))[1];
    expect(amid).toMatchObject({ status: '500 Internal Server Error', failure: { type: 'ValueError' } });
    expect(amid?.failure?.frames.at(-1)).toMatchObject({ line: line("raise ValueError('amid')"), user: true });
    expect(localsOf(amid)).toEqual({ secret: '•••' });
  });

  test('an answer is told before what is done after it', async () => {
    await using gunicorn = await start('start');
    expect((await post(gunicorn, '/background', '')).text).toBe('"answered"');
    expect(await told(gunicorn, 1)).toMatchObject([{ status: '200 OK', failure: null }]);
    gunicorn.write('go', '');
    await gunicorn.until('it has failed', () => gunicorn.output.includes('RuntimeError: after the answer'));
    await post(gunicorn, '/refused', '');
    expect(await told(gunicorn, 2)).toHaveLength(2);
  });

  test('two at once do not mix what they raise', async () => {
    await using gunicorn = await start('start');
    await Promise.all(['a', 'b'].map((by) => post(gunicorn, '/later', { by })));
    const all = await told(gunicorn, 2);
    for (const one of all) {
      const { by } = JSON.parse(Buffer.from(one.body, 'base64').toString()) as { by: string };
      expect([one.failure?.type, one.failure?.message]).toEqual(['KeyError', `'${by}'`]);
    }
    expect(new Set(all.map(({ body }) => body)).size).toBe(2);
  });

  test('what a task raises that outlives its request is held by nobody', async () => {
    await using gunicorn = await start('start');
    const held = async () => (await gunicorn.get('/held')).body;
    expect((await post(gunicorn, '/starts', '')).status).toBe(200);
    expect(await held()).toBe('[false]');
    expect((await post(gunicorn, '/leaves', '')).status).toBe(500);
    expect(await held()).toBe('[false,false]');
    expect((await told(gunicorn, 2)).map(({ failure }) => failure?.message)).toEqual([undefined, 'left']);
  });

  test('bodies and answers that are too large are told of without them', async () => {
    await using gunicorn = await start('start');
    await post(gunicorn, '/large', 'x'.repeat(200_000));
    await post(gunicorn, '/large', 'x'.repeat(90_000));
    const [large, fits] = await told(gunicorn, 2);
    expect(large).toMatchObject({ cut: true, body: '', answerCut: true, answer: '' });
    expect(fits).toMatchObject({ cut: false, answerCut: true });
    expect(await gunicorn.channel.request()).toBeNull();
  });

  test('a client that leaves amid its answer is no failure of the code', async () => {
    await using gunicorn = await start('start');
    const leaving = ask({ host: '127.0.0.1', port: gunicorn.port, path: '/stream', method: 'POST', agent: false });
    leaving.on('error', () => undefined).end();
    const [answer] = (await once(leaving, 'response')) as [NodeJS.ReadableStream];
    await once(answer, 'data');
    leaving.destroy();
    await gunicorn.until('its end', () => existsSync(`${gunicorn.dir}/left`));
    await post(gunicorn, '/refused', '');
    expect(await told(gunicorn, 1)).toMatchObject([{ path: '/refused' }]);
  });

  test('a WebSocket passes', async () => {
    await using gunicorn = await start('start');
    const socket = new WebSocket(`ws://127.0.0.1:${gunicorn.port}/socket`);
    await once(socket, 'open');
    socket.send('hello');
    expect(await once(socket, 'message')).toMatchObject([{ data: 'hello' }]);
    await post(gunicorn, '/refused', '');
    expect(await told(gunicorn, 1)).toMatchObject([{ path: '/refused' }]);
  });

  test('nothing is told where nobody wishes it', async () => {
    await using gunicorn = await start('start');
    gunicorn.channel.say({ do: 'settings', capture: false, variables: true, redact: [] });
    await gunicorn.accepted();
    expect((await post(gunicorn, '/score', { data: 6, by: 3 })).status).toBe(200);
    expect(await gunicorn.channel.request()).toBeNull();
    expect(captured(gunicorn)).toEqual([]);
  });
});

test('gunicorn’s own ASGI workers', async () => {
  await using gunicorn = await Gunicorn.start({
    version: '27.0.1',
    way: 'start',
    args: ['-k', 'asgi'],
    files: {
      'app.py': `async def app(scope, receive, send):
    if scope['type'] != 'http':
        raise NotImplementedError(scope['type'])
    if scope['method'] == 'POST':
        open('asked', 'w').write(ascii(scope['path']))
        number = 1 / len((await receive())['body'])
    await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'content-length', b'2')]})
    await send({'type': 'http.response.body', 'body': b'ok'})
`,
    },
  });
  expect((await gunicorn.post('')).status).toBe(500);
  expect(await gunicorn.post('{}')).toMatchObject({ status: 200, body: 'ok' });
  const [bad, good] = await told(gunicorn, 2);
  expect(bad).toMatchObject({ status: '500 Internal Server Error', failure: { type: 'ZeroDivisionError' } });
  expect(bad?.failure?.frames.at(-1)).toMatchObject({ file: `${gunicorn.dir}/app.py`, line: 6 });
  const body = Buffer.from('{}').toString('base64');
  expect(good).toMatchObject({ status: '200 OK', body, failure: null });

  // A path is told as it was asked for, and asked so in a trial.
  const path = '/%C5%82/my%20model%3F%25';
  const asked = () => readFileSync(`${gunicorn.dir}/asked`, 'utf8');
  await post(gunicorn, path, '{}');
  expect((await told(gunicorn, 3))[2]).toMatchObject({ path });
  expect(asked()).toBe("'/\\u0142/my model?%'");
  gunicorn.remove('asked');
  expect(await gunicorn.trial({ method: 'POST', path, query: '', headers: {}, body })).toMatchObject({
    answered: { status: '200 OK' },
  });
  expect(asked()).toBe("'/\\u0142/my model?%'");
});
