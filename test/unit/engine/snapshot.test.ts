import { describe, expect, it } from 'vitest';
import { scoringPort } from '../../../console/engine/run.ts';
import { snapshotLabels } from '../../../console/engine/snapshot-labels.ts';
import { appMounts, included } from '../../../console/engine/snapshot-mounts.ts';
import { nextTag, snapshotName } from '../../../console/engine/snapshot-name.ts';
import type { Mount } from '../../../console/place/place.ts';

const bind = (destination: string): Mount => ({
  type: 'bind',
  source: `/host${destination}`,
  destination,
  writable: true,
});

describe('a snapshot’s name', () => {
  it.each([
    ['debug:1', 'c', 'debug'],
    ['debug', 'c', 'debug'],
    ['myregistry.azurecr.io/team/scorer:7', 'c', 'scorer'],
    ['localhost:5000/scorer', 'c', 'scorer'],
    ['scorer@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', 'c', 'scorer'],
    ['sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', 'web', 'web'],
    ['0123456789ab', 'My_Web_', 'my-web'],
    ['', 'web', 'web'],
  ])('of %s in container %s is %s', (image, container, name) => expect(snapshotName(image, container)).toBe(name));

  it('has the number above the highest', () => {
    expect(nextTag([], 'debug')).toBe('debug:1');
    expect(nextTag(['debug:1'], 'debug')).toBe('debug:2');
    expect(nextTag(['debug:9', 'debug:10', 'debug:2'], 'debug')).toBe('debug:11');
    expect(nextTag(['debug:latest', 'debug:1.5', 'debug:v7', 'debugger:40', 'debug:007'], 'debug')).toBe('debug:8');
  });
});

describe('a snapshot’s labels', () => {
  it('are the image’s without what others claim containers by, Drydock’s of old emptied, and where it comes from', () => {
    const labels = snapshotLabels(
      {
        maintainer: 'us',
        'org.opencontainers.image.title': 'scorer',
        'azureml-local-endpoint': '',
        endpoint: 'e',
        deployment: 'd',
        'endpoint-data': '{}',
        amlIsService: 'True',
        containerName: 'x',
        'com.docker.compose.project': 'p',
        'devcontainer.local_folder': '/x',
        'drydock.built-from': '/x',
        'io.drydock.from-image': 'older:1',
        'io.drydock.tree': 'older',
      },
      { containerName: 'x', 'io.drydock.started-by': 'drydock-run' },
      {
        fromImage: 'debug:1',
        parent: 'sha256:1',
        container: { id: '2', name: 'debug' },
        appRoot: '/app',
        created: 'now',
        tree: null,
      },
    );
    expect(labels).toEqual({
      maintainer: 'us',
      'org.opencontainers.image.title': 'scorer',
      'drydock.built-from': '',
      'io.drydock.tree': '',
      'io.drydock.started-by': '',
      'io.drydock.from-image': 'debug:1',
      'io.drydock.parent': 'sha256:1',
      'io.drydock.from-container': '2',
      'io.drydock.from-container-name': 'debug',
      'io.drydock.app-root': '/app',
      'io.drydock.created': 'now',
    });
  });
});

describe('the mounts of the app', () => {
  const v2 = {
    env: { AML_APP_ROOT: '/var/azureml-app/code/src', AZUREML_MODEL_DIR: '/var/azureml-app/azureml-models/m/1' },
    mounts: [bind('/var/azureml-app/code'), bind('/var/azureml-app/azureml-models/m/1'), bind('/etc/hosts-extra')],
  };

  it('are code and models of a v2 local endpoint, and nothing else', () => {
    const { app, models, lost } = appMounts(v2, '/var/azureml-app/code');
    expect(app).toEqual([v2.mounts[0]]);
    expect(models).toEqual([v2.mounts[1]]);
    expect(lost).toEqual([]);
  });

  it('hold the models when the whole app folder is one', () => {
    const mounts = [bind('/var/azureml-app')];
    const { app, models } = appMounts(
      { env: { AZUREML_MODEL_DIR: '/var/azureml-app/azureml-models/m/1' }, mounts },
      '/var/azureml-app',
    );
    expect([app, models]).toEqual([mounts, []]);
  });

  it('in memory are lost', () => {
    const tmpfs: Mount = { ...bind('/var/azureml-app/cache'), type: 'tmpfs' };
    expect(appMounts({ env: {}, mounts: [tmpfs] }, '/var/azureml-app').lost).toEqual([tmpfs]);
  });

  it('are put in outermost first, without what lies in them and is mounted itself, and without compiled Python', () => {
    const all = [bind('/app/inner/deep'), bind('/app')];
    const [outer, inner] = included(all, all);
    expect([outer?.path, inner?.path]).toEqual(['/app', '/app/inner/deep']);
    const out = (path: string) => outer?.leaveOut(path);
    expect(out('/app/score.py')).toBe(false);
    expect(out('/app/inner')).toBe(false);
    expect(out('/app/inner/deep/x')).toBe(true);
    expect(out('/app/helpers/__pycache__/a.pyc')).toBe(true);
    expect(out('/app/.drydock/staged')).toBe(true);
    expect(inner?.leaveOut('/app/inner/deep/x')).toBe(false);
  });
});

describe('the scoring port', () => {
  const image = { exposed: [], labels: {}, env: {} };
  it.each([
    [{ ...image, exposed: [5001, 8883, 8888] }, 5001],
    [{ ...image, exposed: [8080] }, 8080],
    [{ ...image, exposed: [5678, 8888, 9000] }, 9000],
    [{ ...image, exposed: [8080, 5001] }, 5001],
    [{ ...image, exposed: [8080], labels: { 'azureml-port': '31311' } }, 31_311],
    [{ ...image, env: { PORT: '8081' } }, 8081],
    [{ ...image, env: { PORT: 'none' } }, 5001],
    [image, 5001],
  ])('of %o is %i', (of, port) => expect(scoringPort(of)).toBe(port));
});
