/** Every way in which a scoring service is run, as a real container: what is found of it, and that a reload serves. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ProbeReport, ServiceState } from '../../../shared/core/service.ts';
import { CONDA } from '../../support/conda.ts';
import { serversImage } from '../../support/servers-image.ts';
import { buildDriverKit, ScoringContainer } from '../../support/service-container.ts';

let kit: Awaited<ReturnType<typeof buildDriverKit>>;
let tag: string;
beforeAll(async () => {
  kit = await buildDriverKit();
  tag = await serversImage();
});
afterAll(() => kit[Symbol.dispose]());

const APP = '/home/dockeruser/app';

const script = (value: number): string => `def init():\n    pass\n\n\ndef run(data):\n    return ${value}\n`;
const wsgi = (value: number): string => `def app(environ, start_response):
    start_response('200 OK', [('Content-Length', '1')])
    return [b'${value}']
`;
const fastapi = (value: number): string => `from fastapi import FastAPI

app = FastAPI()


@app.post('/score')
def score():
    return ${value}
`;

/** Starts as uid 1000: `files` by their path are written first, then `command` runs in `APP`. */
async function start(
  files: Readonly<Record<string, string>>,
  command: string,
  args: readonly string[] = [],
): Promise<ScoringContainer> {
  const write = Object.keys(files).map((path, at) => `mkdir -p $(dirname ${path}); printf '%s' "$${at + 1}" > ${path}`);
  return ScoringContainer.start({
    image: 'plain-user',
    tag,
    kit: kit.dir,
    args: ['-u', '1000', ...args],
    command: ['sh', '-c', [`mkdir -p ${APP}; cd ${APP}`, ...write, command].join('\n'), 'sh', ...Object.values(files)],
    waits: false,
  });
}

const answers = (container: ScoringContainer, value: number): Promise<void> =>
  container.until(`/score is ${value}`, async () => (await container.score().catch(() => '')) === `200 ${value}`);

const has = (text: string): string => expect.stringContaining(text) as string;

/** Root beside a service of uid 1000 without SYS_PTRACE: what is hardest to read from. */
const AGENT = '0';

test('the server of Azure’s old images: its gunicorn_conf.py, its loader on PYTHONPATH, the script that is loaded', async () => {
  const server = '/home/dockeruser/azureml-server';
  const entry = `import os, sys
sys.path.append(os.environ['AML_APP_ROOT'])
import main
main.init()
def app(environ, start_response):
    body = str(main.run(None)).encode()
    start_response('200 OK', [('Content-Length', str(len(body)))])
    return [body]
`;
  await using container = await start(
    {
      [`${server}/gunicorn_conf.py`]: "import os\nbind = '0.0.0.0:' + os.environ['PORT_OF_SERVER']\ntimeout = 60\n",
      [`${server}/entry.py`]: entry,
      '/var/azureml-app/main.py': script(1),
    },
    `cd $AML_APP_ROOT; PYTHONPATH=$AML_SERVER_ROOT exec gunicorn -c $AML_SERVER_ROOT/gunicorn_conf.py entry:app`,
    ['-e', `AML_SERVER_ROOT=${server}`, '-e', 'PORT_OF_SERVER=5001'],
  );
  await answers(container, 1);
  await using agent = await container.agent(AGENT);
  expect(await agent.do('follow', { auto: false })).toMatchObject({
    server: 'gunicorn',
    supervisor: 'pid1',
    port: 5001,
    entryScript: '/var/azureml-app/main.py',
    found: { how: 'gunicorn with entry:app, PID 1', port: 'the socket of process 1', entry: 'AZUREML_ENTRY_SCRIPT' },
  } satisfies Partial<Record<keyof ServiceState, unknown>>);
  expect(await agent.do('root')).toMatchObject({ path: '/var/azureml-app' });
  await container.write('/var/azureml-app/main.py', script(2));
  expect(await agent.reload()).toMatchObject({ ok: true });
  await answers(container, 2);
});

test('`conda run … runsvdir` with the code mounted, as a v2 endpoint on this machine is started', async () => {
  const code = mkdtempSync(join(tmpdir(), 'drydock-code-'));
  try {
    chmodSync(code, 0o755); // uid 1000 reads it
    mkdirSync(join(code, 'online'));
    writeFileSync(join(code, 'online/score.py'), `import only_there\n${script(1)}`);
    await using container = await start(
      {
        ...CONDA.files,
        '/home/dockeruser/runit/gunicorn/run': `#!/bin/bash
cd "$AML_APP_ROOT"
exec azmlinfsrv --entry_script "$AZUREML_ENTRY_SCRIPT" --port 5001
`,
      },
      `${CONDA.make}; ${CONDA.install('only_there')}; chmod +x ~/runit/gunicorn/run; exec ${CONDA.run} runsvdir /home/dockeruser/runit`,
      [
        ...['-t', '-v', `${code}:/var/azureml-app/code`, '-e', 'AML_APP_ROOT=/var/azureml-app/code/online'],
        ...['-e', 'AZUREML_ENTRY_SCRIPT=score.py'],
      ],
    );
    await answers(container, 1);
    await using agent = await container.agent(AGENT);
    const state = await agent.do<ServiceState>('follow', { auto: false });
    expect(state).toMatchObject({
      server: 'azmlinfsrv',
      supervisor: 'runit',
      port: 5001,
      interpreter: `${CONDA.prefix}/bin/python`,
      entryScript: '/var/azureml-app/code/online/score.py',
      hold: { held: true },
      found: { how: has('under conda run'), port: '--port', entry: '--entry_script', root: has('mounted folder') },
    });
    expect(await agent.do('root')).toMatchObject({ path: '/var/azureml-app/code' });
    const detailOf = async (probe: string, step: string) =>
      (await agent.do<ProbeReport>(probe)).steps.find(({ name }) => name === step)?.detail;
    expect(await detailOf('env', 'interpreter')).toMatch(`${CONDA.prefix}/bin/python, Python 3.`);
    expect(await detailOf('imports', 'packages')).toBe('only_there: imported in a process of its own');
    writeFileSync(join(code, 'online/score.py'), script(2));
    expect(await agent.reload()).toMatchObject({ ok: true });
    await answers(container, 2);
  } finally {
    rmSync(code, { recursive: true, force: true });
  }
});

test('`conda run … gunicorn`, two workers: the container ends with it, and its Python is the environment’s', async () => {
  await using container = await start(
    { ...CONDA.files, [`${APP}/app.py`]: wsgi(1) },
    `${CONDA.make}; exec ${CONDA.run} gunicorn -w 2 -b 0.0.0.0:5001 app:app`,
  );
  await answers(container, 1);
  await using agent = await container.agent(AGENT);
  const state = await agent.do<ServiceState>('state');
  await agent.do('follow', { auto: false });
  expect(state).toMatchObject({
    server: 'gunicorn',
    supervisor: 'pid1',
    interpreter: `${CONDA.prefix}/bin/python`,
    entryScript: `${APP}/app.py`,
    found: { how: 'gunicorn with app:app, started by conda run (PID 1)', port: 'the command line' },
  });
  expect(state.workers).toHaveLength(2);
  await container.write(`${APP}/app.py`, wsgi(2));
  expect(await agent.reload()).toMatchObject({ ok: true });
  await answers(container, 2);
});

test('an MLflow model without code of its user’s: the model’s folder is edited, its code is reloaded', async () => {
  const model = '/var/azureml-app/azureml-models/iris/1/model';
  const resources = '/home/dockeruser/mlflow_resources';
  const generated = `import os, sys
from importlib import import_module
model_dir = os.environ['AZUREML_MODEL_DIR']
model = os.path.join(model_dir, os.listdir(model_dir)[0])


def init():
    global loaded
    sys.path.insert(0, os.path.join(model, 'code'))
    loaded = import_module('loader').load(model)


def run(data):
    return loaded
`;
  await using container = await start(
    {
      [`${resources}/mlflow_score_script.py`]: generated,
      [`${model}/MLmodel`]: 'flavors:\n  python_function:\n    code: code\n    loader_module: loader\n',
      [`${model}/code/loader.py`]: 'def load(path):\n    return 1\n',
    },
    'cd $AML_APP_ROOT; exec azmlinfsrv --entry_script mlflow_score_script.py --port 5001',
    ['-e', `AML_APP_ROOT=${resources}`, '-e', 'AZUREML_MODEL_DIR=/var/azureml-app/azureml-models/iris/1'],
  );
  await answers(container, 1);
  await using agent = await container.agent(AGENT);
  expect(await agent.do('follow', { auto: false })).toMatchObject({
    server: 'azmlinfsrv',
    supervisor: 'pid1',
    entryScript: `${resources}/mlflow_score_script.py`,
    found: { root: has('MLflow') },
  });
  expect(await agent.do('root')).toMatchObject({ path: model });
  await container.write(`${model}/code/loader.py`, 'def load(path):\n    return 2\n');
  expect(await agent.reload()).toMatchObject({ ok: true });
  await answers(container, 2);
});

test('gunicorn with uvicorn’s workers', async () => {
  await using container = await start(
    { [`${APP}/main.py`]: fastapi(1), [`${APP}/gunicorn.conf.py`]: "wsgi_app = 'main:app'\nbind = ['0.0.0.0:5001']\n" },
    'exec gunicorn -k uvicorn.workers.UvicornWorker',
  );
  await answers(container, 1);
  await using agent = await container.agent(AGENT);
  expect(await agent.do('follow', { auto: false })).toMatchObject({
    server: 'gunicorn',
    port: 5001,
    entryScript: `${APP}/main.py`,
    found: { entry: 'main:app on ./gunicorn.conf.py', port: 'the socket of process 1' },
  });
  await container.write(`${APP}/main.py`, fastapi(2));
  expect(await agent.reload()).toMatchObject({ ok: true });
  await answers(container, 2);
});

test('uvicorn with two workers, beside another program that listens', async () => {
  await using container = await start(
    { [`${APP}/src/main.py`]: fastapi(1) },
    'python3 -m http.server 8888 & exec uvicorn main:app --app-dir src --host 0.0.0.0 --port 5001 --workers 2',
  );
  await answers(container, 1);
  await using agent = await container.agent(AGENT);
  const state = await agent.do<ServiceState>('follow', { auto: false });
  expect(state).toMatchObject({
    server: 'other',
    supervisor: 'pid1',
    masterPid: 1,
    port: 5001,
    entryScript: `${APP}/src/main.py`,
    found: { how: 'uvicorn with main:app, PID 1', port: '--port', entry: 'main:app on the command line' },
    cannotReload: has('PID 1'),
  });
  expect(state.workers).toHaveLength(2);
  expect(await agent.do('root')).toMatchObject({ path: APP });
  await container.write(`${APP}/src/main.py`, 'import nowhere\n');
  expect(await agent.reload()).toMatchObject({ ok: false, stage: 'import', error: { type: 'ModuleNotFoundError' } });
});

test('uvicorn under runit is tried and started again', async () => {
  await using container = await start(
    {
      [`${APP}/main.py`]: fastapi(1),
      '/home/dockeruser/runit/api/run': `#!/bin/sh\ncd ${APP}\nexec python3 -m uvicorn main:app --host 0.0.0.0 --port 5001\n`,
    },
    'chmod +x ~/runit/api/run; exec runsvdir /home/dockeruser/runit',
  );
  await answers(container, 1);
  await using agent = await container.agent(AGENT);
  expect(await agent.do('follow', { auto: false })).toMatchObject({
    server: 'other',
    supervisor: 'runit',
    entryScript: `${APP}/main.py`,
    hold: { held: true },
  });
  await container.write(`${APP}/main.py`, `import nowhere\n${fastapi(2)}`);
  expect(await agent.reload()).toMatchObject({ ok: false, stage: 'import' });
  await answers(container, 1);
  await container.write(`${APP}/main.py`, fastapi(3));
  expect(await agent.reload()).toMatchObject({ ok: true });
  await answers(container, 3);
});

test('a supervisor that is late to see that its service ended', async () => {
  // runsv waits for this before it looks for ended processes.
  const control = '#!/bin/sh\nkill $(cat supervise/pid)\nsleep 1\n';
  await using container = await start(
    {
      [`${APP}/main.py`]: fastapi(1),
      '/home/dockeruser/runit/api/run': `#!/bin/sh\ncd ${APP}\nexec python3 -m uvicorn main:app --host 0.0.0.0 --port 5001\n`,
      '/home/dockeruser/runit/api/control/d': control,
    },
    'chmod +x ~/runit/api/run ~/runit/api/control/d; exec runsvdir /home/dockeruser/runit',
  );
  await answers(container, 1);
  await using agent = await container.agent(AGENT);
  expect(await agent.do('follow', { auto: false })).toMatchObject({ supervisor: 'runit', hold: { held: true } });
  await container.write(`${APP}/main.py`, fastapi(2));
  expect(await agent.reload()).toMatchObject({ ok: true });
  await answers(container, 2);
});

test('a module of the user’s that serves by itself', async () => {
  const server = `from wsgiref.simple_server import make_server

def app(environ, start_response):
    start_response('200 OK', [])
    return [b'1']

if __name__ == '__main__':
    make_server('', 5001, app).serve_forever()
`;
  await using container = await start({ [`${APP}/pkg/server.py`]: server }, 'exec python3 -u -m pkg.server');
  await answers(container, 1);
  await using agent = await container.agent(AGENT);
  expect(await agent.do('follow', { auto: false })).toMatchObject({
    server: 'other',
    port: 5001,
    entryScript: `${APP}/pkg/server.py`,
    found: { how: 'pkg, PID 1', port: 'the socket of process 1', entry: '-m pkg.server' },
  });
  expect(await agent.do('root')).toMatchObject({ path: APP });
});
