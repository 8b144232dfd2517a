/** The explained checks as a verb. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { findAddress } from '../../console/place/docker/address.ts';
import type { ProbeReport } from '../../shared/core/service.ts';
import { console, drydock, LiveContainer, SAMPLE, until, Workspace } from '../support/live.ts';

test('all is well; then the code on disk does not start any more, and a fresh start tells', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  const probe = async (...words: string[]) => {
    const { exitCode, stdout, stderr } = await drydock(['probe', container.name, ...words, '--json'], workspace);
    return { exitCode, report: JSON.parse(stdout || 'null') as ProbeReport | null, stderr };
  };
  const well = await probe();
  expect(well).toMatchObject({ exitCode: 0, report: { probe: 'all', ok: true } });
  expect(well.report?.steps.map(({ name }) => name)).toEqual(expect.arrayContaining(['path', 'fresh start']));

  await container.exec('sh', '-c', 'echo "import nothing_like_it" >> /var/azureml-app/score.py');
  const broken = await probe('start');
  const detail = expect.stringContaining("No module named 'nothing_like_it'") as string;
  expect(broken).toMatchObject({
    exitCode: 1,
    report: { ok: false, steps: [{ name: 'fresh start', ok: false, detail }] },
  });
  expect(await probe('model-path')).toMatchObject({ exitCode: 0 });
  expect(await probe('nonsense')).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('start') as string });
});

describe.each([
  ['plain-user', []],
  ['plain-root', ['--no-hook']],
] as const)('%s %j', (variant, flags) => {
  test('a healthy service is well in each probe', async () => {
    await using container = await LiveContainer.start(variant);
    using workspace = new Workspace();
    const sample = join(SAMPLE, 'sample-request.json');
    const argv = ['probe', container.name, 'all', ...flags, '--sample', sample, '--json'];
    const { exitCode, stdout } = await drydock(argv, workspace);
    const report = JSON.parse(stdout) as ProbeReport;
    expect(report.steps.filter(({ ok }) => !ok)).toEqual([]);
    expect(exitCode).toBe(0);
    expect(report.steps.map(({ name, detail }) => `${name}: ${detail}`)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^interpreter: \/usr\/bin\/python3, Python 3/),
        expect.stringMatching(/^entry script: \/var\/azureml-app\/score.py, by Azure’s driver/),
        expect.stringMatching(/^packages: .*azureml\.core\.model, .*imported/),
        expect.stringMatching(/^requirements: .* lines fit$/),
        expect.stringMatching(/^model file: .*model\.pkl: made with scikit-learn/),
        expect.stringMatching(/^sample request: POST \/score → 200/),
      ]),
    );
  });
});

test('names what is missing, what does not fit its requirements, its conda file, numpy or another package, and old models', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  const failed = async (name: string) => {
    const { exitCode, stdout } = await drydock(['probe', container.name, name, '--json'], workspace);
    const { ok, steps } = JSON.parse(stdout) as ProbeReport;
    expect({ ok, exitCode }).toEqual({ ok: false, exitCode: 1 });
    return steps.filter((step) => !step.ok);
  };
  const text = (part: string) => expect.stringContaining(part) as string;
  const conda = [
    'dependencies:',
    '- python=3.7',
    '- conda-forge::joblib=0.17',
    '- pip:',
    '  - numpy==1.16.4',
    '  - built_before',
  ];
  const abi =
    'numpy.dtype size changed, may indicate binary incompatibility. Expected 96 from C header, got 88 from PyObject';
  await container.exec(
    'sh',
    '-c',
    `cd /var/azureml-app && touch helpers/tidy.py && echo 'joblib<1' >> requirements.txt &&
      printf '%s\\n' "$1" > conda.yaml &&
      site=$(python3 -m site --user-site) && info=$site/built_before-2.0.dist-info && mkdir -p $info &&
      printf 'raise ValueError("%s")\\n' "$2" > $site/built_before.py &&
      printf 'Metadata-Version: 2.1\\nName: built_before\\nVersion: 2.0\\nRequires-Dist: numpy<1\\n' > $info/METADATA &&
      (printf 'import %s\\n' nothing_like_it tidy built_before; cat score.py) > /tmp/score.py && cp /tmp/score.py score.py`,
    'sh',
    conda.join('\n'),
    abi,
  );
  expect(await failed('imports')).toMatchObject([
    { name: 'nothing_like_it', detail: text('/var/azureml-app/score.py:1'), hint: text('pip install nothing_like_it') },
    { name: 'tidy', detail: text('/var/azureml-app'), hint: text('/var/azureml-app/helpers/tidy.py is there') },
    {
      name: 'built_before',
      detail: text(`/var/azureml-app/score.py:3 imports it; ValueError: ${abi}`),
      hint: text('pin numpy<2 beside it'),
    },
    { name: 'joblib', detail: text('requirements.txt:7 wants joblib<1'), hint: text("pip install 'joblib<1'") },
    { name: 'numpy', detail: text('conda.yaml:5 wants numpy==1.16.4, and numpy 2.'), hint: text('numpy==1.16.4') },
    { name: 'python', detail: text('conda.yaml:2 wants python=3.7, and python 3.'), hint: text('let the file say 3.') },
    { name: 'joblib', detail: text('conda.yaml:3 wants joblib=0.17'), hint: text("pip install 'joblib==0.17.*'") },
    {
      name: 'built_before and numpy',
      detail: text('built_before 2.0 wants numpy<1, and numpy 2.'),
      hint: text("pip install built_before 'numpy<1'"),
    },
  ]);

  const age = `import re; path = '/var/azureml-app/azureml-models/diabetes/1/model.pkl'
data = re.sub(rb'(_sklearn_version.{0,8}?)\\d+\\.\\d+\\.\\d', lambda m: m.group(1) + b'0.' + b'1' * (len(m.group(0)) - len(m.group(1)) - 2), open(path, 'rb').read(), flags=re.S)
open(path, 'wb').write(data)`;
  await container.exec('python3', '-c', age);
  const flavors = 'flavors:\n  python_function:\n    python_version: 3.7.10\n  sklearn:\n    sklearn_version: 0.22.1';
  await container.exec(
    'sh',
    '-c',
    'mkdir /var/azureml-app/exported && echo "$1" > "$0"',
    '/var/azureml-app/exported/MLmodel',
    flavors,
  );
  expect(await failed('model')).toMatchObject([
    {
      name: 'model’s scikit-learn',
      detail: text('model.pkl was made with scikit-learn 0.1'),
      hint: text('scikit-learn==0.1'),
    },
    {
      name: 'model’s scikit-learn',
      detail: text('/var/azureml-app/exported/MLmodel was made with scikit-learn 0.22.1, and scikit-learn 1.'),
      hint: text('scikit-learn==0.22.1'),
    },
  ]);

  await container.exec('sh', '-c', `cd /var/azureml-app && echo 'def run(' >> score.py && echo '[1]' > config.json`);
  expect(await failed('entry')).toMatchObject([{ name: 'compiles', detail: text('/var/azureml-app/score.py:') }]);
  expect(await failed('env')).toMatchObject([{ name: 'config.json', detail: text('no JSON object') }]);
});

test('env: what only azmlinfsrv’s own process has set, by what it tells and without, and where the logging level is set', async () => {
  const command = ['sh', '-c', 'exec azmlinfsrv --entry_script score.py --port 5001 --model_dir m'];
  await using container = await LiveContainer.start('plain-user', { args: ['-w', '/var/azureml-app'], command });
  using workspace = new Workspace();
  const env = async (...flags: string[]) => {
    const { stdout } = await drydock(['probe', container.name, 'env', ...flags, '--json'], workspace);
    const { steps } = JSON.parse(stdout) as ProbeReport;
    return Object.fromEntries(steps.map(({ name, detail }) => [name, detail]));
  };
  const set = {
    AZUREML_ENTRY_SCRIPT: '/var/azureml-app/score.py (by azmlinfsrv’s --entry_script)',
    AZUREML_MODEL_DIR: 'm (by azmlinfsrv’s --model_dir), that is /var/azureml-app/m, which is no folder',
    WORKER_COUNT: '1 (azmlinfsrv’s default)',
  };
  expect(await env('--no-hook')).toMatchObject({
    ...set,
    environment: 'of process 1 at its start, with what azmlinfsrv sets itself by its rules',
    logging: expect.stringMatching(
      /^Python’s default, WARNING: .*logging\.getLogger\(\)\.setLevel\(logging\.INFO\)/,
    ) as string,
  });

  const script = '/var/azureml-app/score.py';
  const write = async (line: string) => {
    const whole = `printf '%s\\n' 'import logging' '${line}' | cat - ${script} > /tmp/score.py`;
    await container.exec('sh', '-c', `${whole} && cp /tmp/score.py ${script}`);
  };
  await write('logging.basicConfig(level=logging.DEBUG)');
  expect(await env()).toMatchObject({
    ...set,
    environment: 'of the service’s own process, its os.environ',
    logging: expect.stringMatching(
      /score\.py:2 changes nothing: .*logging\.getLogger\(\)\.setLevel\(logging\.DEBUG\)/,
    ) as string,
  });
  await write('logging.getLogger().setLevel(logging.DEBUG)');
  expect(await env()).toMatchObject({ logging: `${script}:2 sets the root logger to DEBUG` });
});

test('names the folder that the engine made of a path that is not there', async () => {
  using workspace = new Workspace();
  const source = join(workspace.dir, 'not-there');
  const args = ['-v', `${source}:/var/azureml-app`];
  await using container = await LiveContainer.start('plain-user', { args, cold: true, command: ['sleep', 'infinity'] });
  const { exitCode, stdout } = await drydock(['probe', container.name, 'entry', '--json'], workspace);
  expect(exitCode).toBe(1);
  const { label } = await findAddress(undefined, process.env);
  const where = `not-there on the machine of the engine (${label}), which is empty`;
  const detail = expect.stringContaining(where) as string;
  expect(JSON.parse(stdout)).toMatchObject({ ok: false, steps: [{ name: 'entry script' }, { name: 'mount', detail }] });
  const said = await drydock(['probe', container.name, 'entry'], workspace);
  expect(said.stdout).toContain(`✗ mount: /var/azureml-app is mounted from `);
  expect(said.stdout).toContain(where);
  // In the pane; what sync would bring from a folder with files fills the mount.
  const empty = join(workspace.dir, 'empty');
  mkdirSync(empty);
  await using terminal = console(['attach', container.name, '--dir', empty], workspace, { columns: 400, rows: 30 });
  await terminal.waitFor('no service');
  terminal.type('p');
  await terminal.waitFor(where);
});

test('init: how long what takes, and where it fails; run: what the code makes of a sample, and what it asks for', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  const probe = async (name: string, ...flags: string[]) => {
    const { exitCode, stdout } = await drydock(['probe', container.name, name, ...flags, '--json'], workspace);
    return { exitCode, steps: (JSON.parse(stdout) as ProbeReport).steps };
  };
  const text = (part: string) => expect.stringContaining(part) as string;
  const profiled = await probe('init', '--profile');
  expect(profiled).toMatchObject({ exitCode: 0 });
  const details = new Map(profiled.steps.map(({ name, detail }) => [name, detail]));
  expect(details.get('time to start')).toContain('310 s');
  expect(details.get('import sklearn')).toMatch(/s of its own, .* MB/);
  expect(details.get('joblib.load')).toContain('/var/azureml-app/azureml-models/diabetes/1/model.pkl');

  const data = join(workspace.dir, 'data.json');
  writeFileSync(data, '{"rows": [[1]]}');
  const asked = await probe('run', '--data', data);
  expect(asked.exitCode).toBe(1);
  expect(asked.steps.at(-1)).toMatchObject({
    name: 'answer',
    detail: text("KeyError: 'data'"),
    hint: text('run() reads the key data, and sent is rows: send {"data": …}'),
    place: { file: '/var/azureml-app/score.py', line: 17 },
    failure: { type: 'KeyError' },
  });
  expect(await probe('run', '--data', join(SAMPLE, 'sample-request.json'))).toMatchObject({ exitCode: 0 });

  await container.exec(
    'sh',
    '-c',
    'cd /var/azureml-app && sed -i "s/^def init():/def init():\\n    absent()/" score.py',
  );
  const failed = await probe('init');
  expect(failed.exitCode).toBe(1);
  expect(failed.steps.at(-1)).toMatchObject({
    name: 'init()',
    ok: false,
    detail: text('NameError'),
    place: { line: 12 },
  });
});

test('a service on the loopback of its machine’s network is reached by clients of that machine', async () => {
  const command = ['sh', '-c', 'cd /tmp && exec python3 -u -m http.server 0 --bind 127.0.0.1'];
  const args = ['--network', 'host'];
  await using container = await LiveContainer.start('plain-user', { args, command, unpublished: true });
  const log = () => execa('docker', ['logs', container.name], { all: true });
  await until('it serves', async () => (await log()).all.includes('Serving'));
  using workspace = new Workspace();
  const { stdout } = await drydock(['probe', container.name, 'health', '--json'], workspace);
  expect(JSON.parse(stdout)).toMatchObject({ steps: [{ name: 'port' }, { name: 'reach', ok: true }, {}, {}] });
  expect(stdout).toContain('clients of that machine reach it');
});
