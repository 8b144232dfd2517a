import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ProbeReport, ReloadResult } from '../../../shared/core/service.ts';
import { site } from '../../support/python.ts';
import { buildDriverKit, ScoringContainer, type Driver } from '../../support/service-container.ts';

const SCORE = '/var/azureml-app/score.py';
const MODELS = '/var/azureml-app/azureml-models';

const failed = ({ steps }: ProbeReport) => steps.filter(({ ok }) => !ok).map(({ name, hint }) => ({ name, hint }));
const detail = ({ steps }: ProbeReport, name: string) => steps.find((step) => step.name === name)?.detail;
const hint = (text: string) => expect.stringContaining(text) as string;

/** The entry script is `code` until `look` has an end. */
async function having<T>(container: ScoringContainer, code: string, look: () => Promise<T>): Promise<T> {
  const before = await container.sh(`cat ${SCORE}`);
  await container.write(SCORE, code);
  const seen = await look();
  await container.write(SCORE, before);
  return seen;
}

describe('the model-path probe', () => {
  let kit: Awaited<ReturnType<typeof buildDriverKit>>;
  let container: ScoringContainer;
  let agent: Driver;
  beforeAll(async () => {
    kit = await buildDriverKit();
    container = await ScoringContainer.start({ image: 'plain-user', kit: kit.dir });
    agent = await container.agent('0'); // so that it goes by a helper of the worker's uid
  });
  afterAll(async () => {
    await agent[Symbol.asyncDispose]();
    await container[Symbol.asyncDispose]();
    kit[Symbol.dispose]();
  });

  const probe = (question: object = {}): Promise<ProbeReport> => agent.do('probe', question);

  test('follows the call in the code to the file', async () => {
    const report = await probe();
    expect(report).toMatchObject({ probe: 'model-path', ok: true });
    expect(detail(report, 'model name')).toMatch(/^diabetes, by the call in \/var\/azureml-app\/score\.py:\d+$/);
    expect(detail(report, 'path')).toBe(`${MODELS}/diabetes/1/model.pkl, a file`);
    expect(detail(report, 'AZUREML_MODEL_DIR')).toContain('holds model.pkl');
  });

  test('shows what azureml logs at DEBUG, and the lines that show it in the service’s own log do', async () => {
    const log = (await probe()).steps.find(({ name }) => name === 'azureml’s DEBUG log');
    expect(log?.detail.split('\n')).toEqual([
      'version is None. Latest version is 1',
      `Found model path at ${MODELS}/diabetes/1/model.pkl`,
    ]);
    const [, lines = ''] = /log: (.*), before the call$/.exec(log?.hint ?? '') ?? [];
    const code = `import logging
from azureml.core.model import Model
def init():
    ${lines}
    Model.get_model_path('diabetes')
def run(data):
    return 1
`;
    expect(await having(container, code, () => agent.reload())).toMatchObject({ ok: true });
    const line = `DEBUG:azureml.core.model:Found model path at ${MODELS}/diabetes/1/model.pkl`;
    await container.until('it is in the log', async () => (await container.logs()).includes(line));
  });

  test('names an argument of the call that azureml refuses, and no other', async () => {
    const called = (call: string, top = '') =>
      having(container, `from azureml.core.model import Model\n${top}\nModel.get_model_path(${call})\n`, probe);
    const version = await called("'diabetes', version=VERSION", "VERSION = '1'");
    expect(failed(version)).toEqual([
      { name: 'version', hint: hint('write version=1, without quotes') },
      { name: 'path', hint: undefined },
    ]);
    expect(detail(version, 'version')).toBe(`version is '1', by the call in ${SCORE}:3; only an int will do`);
    expect(detail(version, 'path')).toBe('WebserviceException: version should be an int');
    expect(detail(version, 'azureml’s DEBUG log')).toBe('version should be an int');
    const name = await called('None');
    expect(failed(name)).toEqual([
      { name: 'model name', hint: hint('Model.get_model_path("NAME")') },
      { name: 'path', hint: undefined },
    ]);
    expect(detail(name, 'path')).toBe('WebserviceException: model_name is None');
    const later = await called('NAME, VERSION', 'import os\nNAME = VERSION = None\nNAME = os.environ["A"]');
    expect(detail(later, 'model name')).toBe('diabetes, the only one there');
    const made = await called("'diabetes', int('1')");
    expect(made.ok).toBe(true);
    expect(detail(made, 'version')).toContain('the call makes its version while it runs');
  });

  test('names an entry that is no version number', async () => {
    await container.sh(`mkdir ${MODELS}/diabetes/.ipynb_checkpoints`);
    const report = await probe();
    await container.sh(`rmdir ${MODELS}/diabetes/.ipynb_checkpoints`);
    expect(failed(report)).toEqual([
      { name: 'version', hint: hint('remove .ipynb_checkpoints') },
      { name: 'path', hint: undefined },
    ]);
  });

  test('names the hidden file beside the model', async () => {
    await container.sh(`touch ${MODELS}/diabetes/1/.DS_Store`);
    const report = await probe();
    await container.sh(`rm ${MODELS}/diabetes/1/.DS_Store`);
    expect(failed(report)[0]).toEqual({ name: 'entry', hint: hint('remove .DS_Store: hidden files count') });
  });

  test('wants one entry of a version: neither none nor two', async () => {
    await container.sh(`mkdir -p ${MODELS}/none/1 ${MODELS}/two/1/a ${MODELS}/two/1/b`);
    const none = await probe({ model: 'none' });
    const two = await probe({ model: 'two' });
    await container.sh(`rm -r ${MODELS}/none ${MODELS}/two`);
    expect(failed(none)[0]).toEqual({ name: 'entry', hint: `put the model's file or folder into ${MODELS}/none/1` });
    expect(detail(none, 'path')).toContain('can contain only 1 file or folder. Found []');
    expect(failed(two)[0]).toEqual({ name: 'entry', hint: hint(`leave one file or folder in ${MODELS}/two/1;`) });
    expect(detail(two, 'entry')).toContain('holds 2 entries: a/, b/');
  });

  test('compares versions as numbers', async () => {
    await container.sh(`mkdir -p ${MODELS}/two/9/a ${MODELS}/two/10/b`);
    const report = await probe({ model: 'two' });
    await container.sh(`rm -r ${MODELS}/two`);
    expect(report.ok).toBe(true);
    expect(detail(report, 'path')).toBe(`${MODELS}/two/10/b, a folder`);
  });

  test('says what to do about an empty model, a missing version and an unknown name', async () => {
    await container.sh(`mkdir ${MODELS}/empty`);
    const empty = await probe({ model: 'empty' });
    await container.sh(`rmdir ${MODELS}/empty`);
    expect(failed(empty)[0]).toEqual({ name: 'version', hint: hint(`${MODELS}/empty/1/`) });
    const version = await probe({ model: 'diabetes', version: 4 });
    expect(failed(version)[0]).toEqual({ name: 'version', hint: hint('versions there: 1') });
    const unknown = await probe({ model: 'Diabetes' });
    expect(failed(unknown)).toEqual([{ name: 'path', hint: hint('the model there is called diabetes') }]);
    const both = await probe({ model: 'nobody', version: 4 });
    expect(failed(both)).toEqual([{ name: 'path', hint: hint('models there: diabetes; use one of these names') }]);
    expect(detail(both, 'path')).toMatch(/^WebserviceException: Model nobody not found in cache/);
  });

  test('shows the fall-back to the working folder, also from a version that is not there', async () => {
    await container.sh('mkdir /var/azureml-app/plain /var/azureml-app/diabetes');
    const report = await probe({ model: 'plain' });
    const version = await probe({ model: 'diabetes', version: 4 });
    await container.sh('rmdir /var/azureml-app/plain /var/azureml-app/diabetes');
    expect(report.ok).toBe(true);
    expect(detail(report, 'path')).toBe(
      `/var/azureml-app/plain, a folder, found in the working folder and not in ${MODELS}; it is returned as plain, relative to the working folder`,
    );
    expect(failed(version)).toEqual([]);
    expect(detail(version, 'version')).toContain('4 is asked for and not there, so ./diabetes is looked for');
    expect(detail(version, 'path')).toContain('it is returned as diabetes, relative to the working folder');
  });

  test('where the code does not call it, AZUREML_MODEL_DIR has to be there', async () => {
    const dir = `${MODELS}/diabetes/1`;
    const code = "import os\nMODEL = os.environ.get('AZUREML_MODEL_DIR')\n";
    const report = await having(container, code, probe);
    expect(report.ok).toBe(true);
    expect(detail(report, 'call')).toContain('does not call');
    await container.sh(`mv ${dir} ${dir}.away`);
    const missing = await having(container, code, probe);
    await container.sh(`mv ${dir}.away ${dir}`);
    expect(failed(missing)).toEqual([{ name: 'AZUREML_MODEL_DIR', hint: hint('no folder lies there') }]);
    expect(detail(missing, 'AZUREML_MODEL_DIR')).toBe(`${dir} is not there`);
  });

  test('a file that init() misses in the model’s folder: what is there, and the line for it', async () => {
    const opening = (path: string) => `import os
def init():
    open(os.path.join(os.environ['AZUREML_MODEL_DIR'], ${path}))
def run(data):
    return 1
`;
    const reload = async (path: string) =>
      having<ReloadResult>(container, opening(path), () => agent.reload()).then(({ error }) => error?.hint);
    expect(await reload("'model', 'model.pkl'")).toBe(
      `${MODELS}/diabetes/1 holds model.pkl; model.pkl lies at ${MODELS}/diabetes/1/model.pkl: use os.path.join(os.environ['AZUREML_MODEL_DIR'], 'model.pkl')`,
    );
    await container.sh(`mkdir -p ${MODELS}/diabetes/1/model/sub && touch ${MODELS}/diabetes/1/model/sub/x.pkl`);
    const deeper = await reload("'model', 'x.pkl'");
    await container.sh(`rm -r ${MODELS}/diabetes/1/model`);
    expect(deeper).toBe(
      `${MODELS}/diabetes/1/model holds sub/; x.pkl lies at ${MODELS}/diabetes/1/model/sub/x.pkl: use os.path.join(os.environ['AZUREML_MODEL_DIR'], 'model', 'sub', 'x.pkl')`,
    );
    expect(await reload("'model', 'x.pkl'")).toBe(
      `${MODELS}/diabetes/1 holds model.pkl; no x.pkl lies in ${MODELS}/diabetes/1`,
    );
  });
});

describe('the model-path probe of a service that starts elsewhere', () => {
  let kit: Awaited<ReturnType<typeof buildDriverKit>>;
  beforeAll(async () => {
    kit = await buildDriverKit();
  });
  afterAll(() => kit[Symbol.dispose]());

  const start = (env: readonly string[]) =>
    ScoringContainer.start({
      image: 'plain-user',
      kit: kit.dir,
      args: ['-w', '/tmp', ...env.flatMap((variable) => ['-e', variable])],
      command: ['sh', '-c', `echo "$0" > ${SCORE}; exec azmlinfsrv --entry_script ${SCORE} --port 5001`, SCRIPT],
    });

  /** Whatever it finds, the service is well. */
  const SCRIPT = `from azureml.core.model import Model
def init():
    pass
def run(data):
    return Model.get_model_path('diabetes')
`;

  test('has an azureml-core that goes by the working folder, and a relative AZUREML_MODEL_DIR', async () => {
    const old = await site('azureml-core-1.17.0', [
      ...['--no-deps', '--ignore-requires-python'], // the rest is that of the image; and 1.17 asks for Python before 3.9
      ...['azureml-core==1.17.0', 'ruamel.yaml==0.19.1'],
    ]);
    await using container = await start(['AZUREML_MODEL_DIR=m', 'PYTHONPATH=/opt/old']);
    await container.copy(`${old}/.`, '/opt/old');
    await using agent = await container.agent('0');
    const probe = (question = {}): Promise<ProbeReport> => agent.do('probe', question);

    const elsewhere = await probe();
    expect(detail(elsewhere, 'azureml-core')).toBe('version 1.17.0');
    expect(detail(elsewhere, 'models folder')).toBe('/tmp/azureml-models (working folder /tmp) is not there');
    expect(failed(elsewhere)).toEqual([{ name: 'path', hint: hint(`diabetes lies in ${MODELS}`) }]);
    expect(detail(elsewhere, 'path')).toMatch(
      /^ModelNotFoundException: Model not found in cache or in root at \.\/diabetes\./,
    );
    expect(detail(elsewhere, 'AZUREML_MODEL_DIR')).toBe('m (that is /tmp/m) is not there');

    await container.sh('mkdir -p /tmp/azureml-models/diabetes/9 /tmp/azureml-models/diabetes/10/model /tmp/m/v2');
    const well = await probe();
    expect(well.ok).toBe(true);
    expect(detail(well, 'path')).toBe(
      '/tmp/azureml-models/diabetes/10/model, a folder; it is returned as azureml-models/diabetes/10/model, relative to the working folder',
    );
    expect(detail(well, 'AZUREML_MODEL_DIR')).toBe('m (that is /tmp/m) holds v2/');

    await container.sh(`rm -r /tmp/azureml-models; mv ${MODELS} ${MODELS}.away`);
    expect(failed(await probe())).toEqual([
      {
        name: 'path',
        hint: hint("get_model_path never looks: use os.path.join(os.environ['AZUREML_MODEL_DIR'], 'v2')"),
      },
    ]);
  });

  test('has no AZUREML_MODEL_DIR, which is well', async () => {
    await using container = await start(['AZUREML_MODEL_DIR']); // without a value: what the image sets is taken away
    await using agent = await container.agent('0');
    const report = await agent.do<ProbeReport>('probe');
    expect(report.ok).toBe(true);
    expect(detail(report, 'models folder')).toBe(`${MODELS} (working folder /tmp) holds diabetes/`);
    expect(detail(report, 'AZUREML_MODEL_DIR')).toBe(`not set; ${MODELS} holds diabetes`);
  });
});
