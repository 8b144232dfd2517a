/** Reloads by workers that inherit what the master has imported, on the real server. */
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ReloadResult, ServiceState, StartCheck } from '../../../shared/core/service.ts';
import { buildDriverKit, ScoringContainer, type Driver } from '../../support/service-container.ts';

const SCORE = '/var/azureml-app/score.py';

let kit: Awaited<ReturnType<typeof buildDriverKit>>;
beforeAll(async () => {
  kit = await buildDriverKit();
});
afterAll(() => kit[Symbol.dispose]());

const service = () => ScoringContainer.start({ image: 'plain-user', kit: kit.dir });

/** Reloads until a worker inherits what the master has imported meanwhile. */
async function warm(agent: Driver): Promise<void> {
  const cold = await agent.reload();
  expect(cold).toMatchObject({ ok: true, way: 'candidate' });
  let last: ReloadResult = cold;
  while (last.ms > cold.ms / 3) last = await agent.reload();
}

test('scikit-learn: a model that is fitted in a warm worker answers as in a fresh process', async () => {
  await using container = await service();
  const fit = `import numpy
from sklearn.ensemble import HistGradientBoostingRegressor


def init():
    global model
    x = numpy.arange(400.0).reshape(-1, 1)
    model = HistGradientBoostingRegressor(random_state=0).fit(x, x.ravel() ** 2)


def run(data):
    return model.predict([[7.0]]).tolist()
`;
  await container.write(SCORE, fit);
  await using agent = await container.agent('0');
  await agent.do('follow', { auto: false });
  await warm(agent);
  const served = await container.score();
  expect(served).toMatch(/^200 \[/);
  // The worker tells of it once the client has its answer.
  const isKnown = async () => (await agent.do<{ request: unknown }>('target')).request !== null;
  await container.until('the request is known', isKnown);
  expect(await agent.reload()).toMatchObject({ ok: true, gate: { status: '200 OK' } });
  const check = await agent.do<StartCheck>('checkStart');
  expect(check.ok).toBe(true);
  expect(check.answers).toBeUndefined();
  expect(check.skipped).toBeUndefined();
  expect(await container.score()).toBe(served);
});

test('pip installs another version of an imported package: the master starts again, the container lives', async () => {
  await using container = await service();
  const install = async (version: number) => {
    const lines = [
      'mkdir -p /tmp/package/toolbox && cd /tmp/package',
      `echo "VALUE = ${version}" >toolbox/__init__.py`,
      `echo "from setuptools import setup; setup(name='toolbox', version='${version}', packages=['toolbox'])" >setup.py`,
      'rm -rf build *.egg-info',
      'python3 -m pip install -q --break-system-packages --no-index --no-build-isolation --root-user-action=ignore --force-reinstall .',
    ];
    await execa('docker', ['exec', '-u', '0', container.id, 'sh', '-ec', lines.join('\n')]);
  };
  await install(1);
  await container.write(
    SCORE,
    'import toolbox\n\n\ndef init():\n    pass\n\n\ndef run(data):\n    return toolbox.VALUE\n',
  );
  await using agent = await container.agent('0');
  await agent.do('follow', { auto: false });
  await warm(agent);
  expect(await container.score()).toBe('200 1');
  const { masterPid } = await agent.do<ServiceState>('state');
  await install(2);
  expect(await agent.reload()).toMatchObject({ ok: true, way: 'trial' });
  await container.until('the new package serves', async () => (await container.score().catch(() => '')) === '200 2');
  expect((await agent.do<ServiceState>('state')).masterPid).not.toBe(masterPid);
  expect(await container.isRunning()).toBe(true);
});

test('an init() of three seconds under twenty requests a second: none fails', async () => {
  await using container = await service();
  const slow = (value: number) =>
    `import time\n\n\ndef init():\n    time.sleep(3)\n\n\ndef run(data):\n    return ${value}\n`;
  await using agent = await container.agent('0');
  await agent.do('follow', { auto: false });
  await container.write(SCORE, slow(0));
  expect(await agent.reload()).toMatchObject({ ok: true, way: 'candidate' });
  const answers = new Map<string, number>();
  const asked: Promise<void>[] = [];
  const note = (answer: string) => answers.set(answer, (answers.get(answer) ?? 0) + 1);
  const timer = setInterval(
    () =>
      asked.push(
        container.score().then(
          (answer) => void note(answer),
          (error: unknown) => void note(String(error)),
        ),
      ),
    50,
  );
  try {
    for (let value = 1; value <= 10; value++) {
      await container.write(SCORE, slow(value));
      expect(await agent.reload()).toMatchObject({ ok: true, way: 'candidate' });
    }
  } finally {
    clearInterval(timer);
  }
  await Promise.all(asked);
  note(await container.score());
  expect([...answers.keys()].filter((answer) => !/^200 \d+$/.test(answer))).toEqual([]);
  expect([...answers.keys()]).toContain('200 10');
});
