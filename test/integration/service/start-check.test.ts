/** A worker of a warm master may know what a fresh process does not: a fresh start tells. */
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ReloadResult, ServiceState, StartCheck } from '../../../shared/core/service.ts';
import { buildDriverKit, ScoringContainer, type Driver } from '../../support/service-container.ts';

const ROOT = '/var/azureml-app';
const PACKAGE = '/usr/local/lib/python3.11/dist-packages/toolbox';

let kit: Awaited<ReturnType<typeof buildDriverKit>>;
beforeAll(async () => {
  kit = await buildDriverKit();
});
afterAll(() => kit[Symbol.dispose]());

const service = () => ScoringContainer.start({ image: 'plain-user', kit: kit.dir });
const script = (imports: string, inside: string, answer: string) =>
  `${imports}\n\n\ndef init():\n    ${inside}\n\n\ndef run(data):\n    return ${answer}\n`;

/** A package with a part that only who imports it has. */
async function install(container: ScoringContainer, source: string): Promise<void> {
  const line = `mkdir -p ${PACKAGE} && cat > ${PACKAGE}/__init__.py && echo VALUE=1 > ${PACKAGE}/parts.py`;
  await execa('docker', ['exec', '-i', '-u', '0', container.id, 'sh', '-c', line], { input: source });
}

/** Reloads until a worker inherits what the master has imported meanwhile. */
async function warm(agent: Driver, container: ScoringContainer, code: string): Promise<void> {
  await container.write(`${ROOT}/score.py`, code);
  const cold = await agent.reload();
  expect(cold).toMatchObject({ ok: true, way: 'candidate' });
  let last: ReloadResult = cold;
  while (last.ms > cold.ms / 3) last = await agent.reload();
}

test('code that leans on what others have imported: told, and not served by a restart', async () => {
  await using container = await service();
  await install(container, '');
  await using agent = await container.agent('0');
  await agent.do('follow', { auto: true });
  await warm(agent, container, script('import toolbox.parts', 'toolbox.parts.VALUE', '1'));
  await container.write(`${ROOT}/score.py`, script('import toolbox', 'toolbox.parts.VALUE', '2'));
  expect(await agent.reload()).toMatchObject({ ok: true });
  expect(await container.score()).toBe('200 2');

  const check = await agent.do<StartCheck>('checkStart');
  expect(check).toMatchObject({
    ok: false,
    error: { type: 'AttributeError', message: "module 'toolbox' has no attribute 'parts'" },
  });
  expect(check.error?.frames.at(-1)).toMatchObject({ file: `${ROOT}/score.py`, line: 5, function: 'init' });
  const { lastReload } = await agent.until((state) => state.lastReload?.ok === false);
  expect(lastReload).toMatchObject({ way: 'trial', stage: 'init', error: { type: 'AttributeError' } });
  expect(await container.score()).toBe('200 2');

  // Mended, it is served by a master that has nothing imported ahead.
  await container.write(`${ROOT}/score.py`, script('import toolbox.parts', 'toolbox.parts.VALUE', '3'));
  expect(await agent.reload()).toMatchObject({ ok: true, way: 'trial' });
  expect(await container.score()).toBe('200 3');
  expect(await agent.do('checkStart')).toMatchObject({ ok: true, ms: expect.any(Number) as number });
});

test('an answer that a fresh process gives otherwise; tried by itself after ten reloads', async () => {
  await using container = await service();
  await install(container, 'import time\nSINCE = time.time()\n');
  await using agent = await container.agent('0');
  await agent.do('follow', { auto: true });
  const code = script('import toolbox', 'pass', 'toolbox.SINCE');
  await warm(agent, container, code);
  expect(await container.score()).toMatch(/^200 /);
  for (let n = 0; n < 10; n++) expect(await agent.reload()).toMatchObject({ ok: true });
  // One that a further reload came before is made up for after it.
  const made = ({ startCheck: check }: ServiceState) => check !== null && check.skipped === undefined;
  const { startCheck } = await agent.until(made);
  expect(startCheck).toMatchObject({ ok: true, answers: { path: '/score' } });
  expect(startCheck?.answers?.now).not.toBe(startCheck?.answers?.fresh);
});

test('what needs no try, and what cannot be tried', async () => {
  await using container = await service();
  await using agent = await container.agent('0');
  await agent.do('follow', { auto: true, hook: false });
  expect(await agent.do('checkStart')).toMatchObject({ ok: true, generation: 0 });
  await container.write(`${ROOT}/score.py`, script('import nothing_like_it', 'pass', '1'));
  expect(await agent.do('checkStart')).toMatchObject({ ok: false, error: { type: 'ModuleNotFoundError' } });
  expect(await agent.reload()).toMatchObject({ ok: false, way: 'trial' });
  expect(await agent.do('checkStart')).toMatchObject({ ok: false, error: { type: 'ModuleNotFoundError' } });
  await container.write(`${ROOT}/score.py`, script('', 'pass', '1'));
  expect(await agent.reload()).toMatchObject({ ok: true, way: 'trial' });
  expect(await agent.do('checkStart')).toMatchObject({ ok: true });
});
