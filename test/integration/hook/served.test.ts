/** uvicorn without gunicorn: the agent asks through the door, and requests are told for as long as it listens. */
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { hasDoor } from '../../../agent/service/debugger.ts';
import { python } from '../../support/python.ts';
import { Uvicorn } from '../../support/uvicorn.ts';

const APP = `import os, time
from fastapi import FastAPI

while os.path.exists('wait'):
    time.sleep(0.001)
app = FastAPI()

@app.post('/score')
def score(asked: dict):
    api_key, patient = 'k', 'Ann'
    return {'pid': os.getpid(), 'answer': 1 / asked['by']}
`;
const LINE = APP.split('\n').findIndex((line) => line.includes("asked['by']")) + 1;

const localsOf = (one: Uvicorn['captured'][number] | undefined): Record<string, string> =>
  Object.fromEntries(one?.failure?.frames.at(-1)?.locals?.map(({ name, value }) => [name, value]) ?? []);

test('requests are told from when they are asked for until nobody listens', async () => {
  await using uvicorn = await Uvicorn.start(APP);
  expect(await uvicorn.post({ by: 1 })).toContain('200 ');
  const doors = await uvicorn.keep();
  expect(doors.tells(uvicorn.workers)).toBe(true);
  expect(await uvicorn.post({ by: 0 })).toBe('500 Internal Server Error');
  expect(await uvicorn.post({ by: 2 })).toContain('200 ');
  const [bad, good] = await uvicorn.told(2);
  expect(bad).toMatchObject({
    pid: uvicorn.pid,
    path: '/score',
    status: '500 Internal Server Error',
    body: Buffer.from('{"by":0}').toString('base64'),
    failure: { type: 'ZeroDivisionError' },
  });
  expect(bad?.failure?.frames.at(-1)).toMatchObject({ file: `${uvicorn.dir}/app.py`, line: LINE, user: true });
  expect(localsOf(bad)).toEqual({ asked: "{'by': 0}", api_key: '•••', patient: "'Ann'" });
  expect(good).toMatchObject({ status: '200 OK', failure: null });

  // Other wishes: what is told from now on is told by them.
  await uvicorn.keep({ redact: ['patient'] });
  await uvicorn.post({ by: 0 });
  expect(localsOf((await uvicorn.told(3))[2])).toEqual({ asked: "{'by': 0}", api_key: '•••', patient: '•••' });
  await uvicorn.keep({ variables: false });
  await uvicorn.post({ by: 0 });
  expect(localsOf((await uvicorn.told(4))[3])).toEqual({});

  const [name] = uvicorn.ears;
  await uvicorn.keep(null);
  expect(uvicorn.ears).toEqual([]);
  expect(doors.tells(uvicorn.workers)).toBe(false);
  expect(await uvicorn.post({ by: 0 })).toBe('500 Internal Server Error');
  await uvicorn.post({ by: 1 }); // what was to be told of the one before has been tried
  // It has found nobody there, and does not try again.
  let calls = 0;
  await using other = createServer((peer) => {
    calls += 1;
    peer.destroy();
  });
  other.listen(`\0${String(name)}`);
  await once(other, 'listening');
  expect(await uvicorn.post({ by: 0 })).toBe('500 Internal Server Error');
  expect(calls).toBe(0);

  await uvicorn.keep();
  await uvicorn.post({ by: 3 });
  expect((await uvicorn.told(5))[4]).toMatchObject({ body: Buffer.from('{"by":3}').toString('base64') });
  expect(uvicorn.captured).toHaveLength(5);
  expect(uvicorn.bytecode).toEqual([]);
});

test('each of its workers, and one that has not loaded the application yet', async () => {
  await using uvicorn = await Uvicorn.start(APP, ['--workers', '2'], ['wait']);
  await uvicorn.until('two workers with a door', () => uvicorn.workers.filter(({ pid }) => hasDoor(pid)).length === 2);
  const doors = await uvicorn.keep();
  expect(doors.tells(uvicorn.workers)).toBe(false);
  const before = uvicorn.workers;
  uvicorn.remove('wait');
  await uvicorn.until('they tell', () => before.every((one) => doors.tells([one])));
  const pids = new Set<number>();
  await uvicorn.until('answers of both', async () => {
    pids.add((JSON.parse((await uvicorn.post({ by: 1 })).slice(4)) as { pid: number }).pid);
    return pids.size === 2;
  });
  await uvicorn.until('both have told', () => new Set(uvicorn.captured.map(({ pid }) => pid)).size === 2);
  for (const { pid } of before.slice(1)) process.kill(pid, 'SIGKILL');
  const others = () => uvicorn.workers.filter(({ pid }) => !pids.has(pid));
  await uvicorn.until('another worker with a door', () => others().some(({ pid }) => hasDoor(pid)));
  await uvicorn.keep();
  await uvicorn.until('it tells', () => doors.tells(others()));
});

test('what is large comes whole, and what a stranger tells does not count', async () => {
  await using uvicorn = await Uvicorn.start(APP);
  await uvicorn.post({ by: 1 });
  await uvicorn.keep();
  const body = JSON.stringify({ by: 0, data: 'ü'.repeat(49_000) });
  expect(await uvicorn.post(body)).toContain('500 ');
  const [large] = await uvicorn.told(1);
  expect(Buffer.from(large?.body ?? '', 'base64').toString()).toBe(body);
  expect(localsOf(large)).toMatchObject({ patient: "'Ann'" });
  const stranger = connect(`\0${String(uvicorn.ears[0])}`);
  stranger.end(JSON.stringify({ key: '', captured: large }));
  await once(stranger, 'close');
  await uvicorn.post({ by: 1 });
  await uvicorn.told(2);
  expect(uvicorn.captured.map(({ status }) => status.slice(0, 3))).toEqual(['500', '200']);
});

/** The agent asks before each bytecode of a function in turn, as a signal may come; then a request is to be told to it. */
const AMID = `import asyncio, importlib, itertools, json, socket, sys
from drydock_hook import door, served

async def app(scope, receive, send):
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': b''})

def post(around):
    async def receive():
        return {'type': 'http.request', 'body': b''}
    async def send(message):
        pass
    asyncio.run(around({'type': 'http', 'method': 'POST', 'path': '/', 'headers': []}, receive, send))

def begin(name):
    door.asked = {'name': name, 'key': 'k', 'root': '/', 'entry': None, 'variables': False, 'redact': []}
    return 0 if door.begin is None else door.begin(door.asked)

def amid(code, number, then, call):
    left = itertools.count()
    came = []
    def trace(frame, event, _):
        if frame.f_code is not code:
            return None
        frame.f_trace_opcodes = True
        if event == 'opcode' and next(left) == number:
            came.append(then())
        return trace
    sys.settrace(trace)
    try:
        result = call()
    finally:
        sys.settrace(None)
    return came, result

def heard():
    said = b''
    while True:
        try:
            said += listener.accept()[0].recv(100000)
        except BlockingIOError:
            return said

listener = socket.socket(socket.AF_UNIX)
listener.bind('')
listener.listen(50)
listener.setblocking(False)
here = listener.getsockname()[1:].decode()

def loading(number):
    came, around = amid(served.capture.__code__, number, lambda: begin(here), lambda: served.capture(app))
    if came:
        knows = came[0] > 0 or b'"serves"' in heard()
        post(around)
        return knows and b'"captured"' in heard()

def refused(number):
    around = served.capture(app)
    begin(here + 'nobody')
    came, _ = amid(served.Agent.say.__code__, number, lambda: begin(here), lambda: post(around))
    heard()
    if came:
        post(around)
        return b'"captured"' in heard()

def importing(number):
    around = served.capture(app)
    door.begin = None
    begin(here + 'nobody')
    came, _ = amid(served.ready.__code__, number, lambda: begin(here), served.ready)
    if came:
        post(around)
        return b'"captured"' in heard()

def each(look):
    for number in itertools.count():
        door.asked = None
        importlib.reload(served)
        told = look(number)
        if told is None:
            return
        yield told

told = {look.__name__: list(each(look)) for look in (importing, loading, refused)}
print(json.dumps({name: [len(all), [n for n, one in enumerate(all) if not one]] for name, all in told.items()}))
`;

test('whenever it asks it is told from then on, also amid the loading of the application or a refusal', async () => {
  const { path } = await python();
  const env = { PYTHONPATH: resolve('agent/hook/python'), PYTHONDONTWRITEBYTECODE: '1' };
  const { stdout } = await execa(path, ['-c', AMID], { env });
  const bytecodes = expect.toSatisfy((count: number) => count > 10) as number;
  expect(JSON.parse(stdout)).toEqual({
    importing: [bytecodes, []],
    loading: [bytecodes, []],
    refused: [bytecodes, []],
  });
});
