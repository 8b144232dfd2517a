import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ProbeReport } from '../../../shared/core/service.ts';
import { buildDriverKit, ScoringContainer, type Driver } from '../../support/service-container.ts';

const MODELS = '/var/azureml-app/azureml-models';

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
  const failed = ({ steps }: ProbeReport) => steps.filter(({ ok }) => !ok).map(({ name, hint }) => ({ name, hint }));
  const detail = ({ steps }: ProbeReport, name: string) => steps.find((step) => step.name === name)?.detail;
  const hint = (text: string) => expect.stringContaining(text) as string;

  test('follows the call in the code to the file', async () => {
    const report = await probe();
    expect(report).toMatchObject({ probe: 'model-path', ok: true });
    expect(detail(report, 'model name')).toMatch(/^diabetes, by the call in \/var\/azureml-app\/score\.py:\d+$/);
    expect(detail(report, 'path')).toBe(`${MODELS}/diabetes/1/model.pkl, a file`);
    expect(detail(report, 'AZUREML_MODEL_DIR')).toContain('holds model.pkl');
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
  });

  test('shows the fall-back to the working folder', async () => {
    await container.sh('mkdir /var/azureml-app/plain');
    const report = await probe({ model: 'plain' });
    await container.sh('rmdir /var/azureml-app/plain');
    expect(report.ok).toBe(true);
    expect(detail(report, 'path')).toContain('found in the working folder');
  });

  test('has no complaint where the code does not call it', async () => {
    const score = '/var/azureml-app/score.py';
    const code = await container.sh(`cat ${score}`);
    await container.write(score, "import os\nMODEL = os.environ.get('AZUREML_MODEL_DIR')\n");
    const report = await probe();
    await container.write(score, code);
    expect(report.ok).toBe(true);
    expect(detail(report, 'call')).toContain('does not call');
  });
});
