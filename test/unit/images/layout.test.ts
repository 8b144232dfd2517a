import { describe, expect, it } from 'vitest';
import { dockerfile, generatedFiles, type ImagePlan } from '../../../console/images/layout.ts';

const plan: ImagePlan = {
  packages: 'packages:1',
  entry: 'score.py',
  ownMain: false,
  models: [],
  dependencies: false,
  steps: [],
  uid: 1000,
  condaPrefix: null,
};
const generated = (over: Partial<ImagePlan> = {}) =>
  new Map(generatedFiles({ ...plan, ...over }).map((file) => [file.path, file]));

describe('dockerfile', () => {
  it('ends as the service’s user, with runsvdir as the first process', () => {
    const lines = dockerfile({ ...plan, steps: [{ name: 's', text: 'RUN step\n' }] })
      .trim()
      .split('\n');
    expect(lines[0]).toBe('FROM packages:1');
    expect(lines.slice(-2)).toEqual(['ENTRYPOINT []', 'CMD ["runsvdir", "/var/runit"]']);
    expect(lines.indexOf('RUN step')).toBeGreaterThan(lines.findIndex((line) => line.includes('app /var/azureml-app')));
    expect(lines.indexOf('USER 1000')).toBeGreaterThan(lines.indexOf('RUN step'));
  });

  it('makes nobody and gives nothing away when the service is root', () => {
    const text = dockerfile({ ...plan, uid: 0 });
    expect(text).not.toMatch(/useradd|chown|USER 0/);
  });

  it('serves main.py, which loads the entry script as service_driver', () => {
    expect(dockerfile(plan)).toContain('AZUREML_ENTRY_SCRIPT=main.py');
    expect(generated({ entry: 'src/score.py' }).get('app/main.py')?.text).toMatch(
      /"src\/score.py"[\s\S]*'service_driver'/,
    );
  });

  it('leaves a project’s own main.py alone and serves the entry script itself', () => {
    expect(dockerfile({ ...plan, ownMain: true })).toContain('AZUREML_ENTRY_SCRIPT=score.py');
    expect(generated({ ownMain: true }).has('app/main.py')).toBe(false);
  });

  it.each([
    [[], null],
    [[{ name: 'diabetes', version: 2 }], '/var/azureml-app/azureml-models/diabetes/2'],
    [
      [
        { name: 'a', version: 1 },
        { name: 'b', version: 1 },
      ],
      '/var/azureml-app/azureml-models',
    ],
  ])('names the folder of one model, the parent of several, none of none', (models, folder) => {
    const found = /AZUREML_MODEL_DIR=(\S+)/.exec(dockerfile({ ...plan, models }))?.[1] ?? null;
    expect(found).toBe(folder);
  });
});

describe('generatedFiles', () => {
  it('has a finish that ends the container on an abnormal exit', () => {
    const finish = generated().get('services/gunicorn/finish');
    expect(finish?.mode).toBe(0o755);
    expect(finish?.text).toContain('Exit code $1 is not normal. Killing image.');
    expect(finish?.text).toContain('killall -SIGHUP runsvdir');
  });
});
