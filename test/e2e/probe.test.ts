/** The explained checks as a verb. */
import { expect, test } from 'vitest';
import type { ProbeReport } from '../../shared/core/service.ts';
import { drydock, LiveContainer, Workspace } from '../support/live.ts';

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
