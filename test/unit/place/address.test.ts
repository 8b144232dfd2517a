import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findAddress } from '../../../console/place/docker/address.ts';
import { Connection } from '../../../console/place/docker/connection.ts';

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'drydock-address-'));
  const context = async (name: string, meta: string) => {
    const dir = join(home, '.docker/contexts/meta', createHash('sha256').update(name).digest('hex'));
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, 'meta.json'), meta);
  };
  await context('gpu', JSON.stringify({ Name: 'gpu', Endpoints: { docker: { Host: 'ssh://me@gpu1:2222' } } }));
  await context('local', JSON.stringify({ Name: 'local', Endpoints: { docker: { Host: 'unix:///run/mine.sock' } } }));
  await context('broken', '{"Endpoints": [');
  await writeFile(join(home, '.docker/config.json'), JSON.stringify({ currentContext: 'local' }));
  for (const name of ['ca', 'cert', 'key']) await writeFile(join(home, `${name}.pem`), name);
});
afterAll(() => rm(home, { recursive: true }));

describe('the engine’s address', () => {
  it('is DOCKER_HOST before the context', async () => {
    const address = await findAddress(undefined, { HOME: home, DOCKER_HOST: 'unix:///a/b.sock' });
    expect(address).toMatchObject({ host: 'unix:///a/b.sock', options: { socketPath: '/a/b.sock' } });
  });

  it('is the current context before the default', async () => {
    expect(await findAddress(undefined, { HOME: home })).toMatchObject({
      label: 'docker: local',
      options: { socketPath: '/run/mine.sock' },
    });
  });

  it.each([
    [{}, true],
    [{ DOCKER_CONTEXT: 'gpu' }, false],
    [{ DOCKER_HOST: 'npipe:////./pipe/docker_engine' }, true],
    [{ DOCKER_HOST: 'tcp://10.0.0.5:2375', DOCKER_CONTEXT: 'local' }, false],
  ])('says whether the engine is of this machine: %o', async (env, isHere) => {
    const connection = new Connection(await findAddress(undefined, { HOME: home, ...env }));
    expect(connection.isHere).toBe(isHere);
    connection.close();
  });

  it('is the context that DOCKER_CONTEXT names', async () => {
    expect(await findAddress(undefined, { HOME: home, DOCKER_CONTEXT: 'gpu' })).toMatchObject({
      label: 'ssh: gpu',
      options: { protocol: 'ssh', host: 'gpu1', port: '2222', username: 'me' },
    });
  });

  it('is the system’s socket where there is no configuration', async () => {
    const address = await findAddress(undefined, { HOME: '/no/such/home' });
    expect(address.label).toBe('docker: default');
    expect(address.options.socketPath).toMatch(/docker\.sock$/);
  });

  it('takes tcp with and without certificates', async () => {
    expect(await findAddress('tcp://far:1234', {})).toMatchObject({
      options: { protocol: 'http', host: 'far', port: '1234' },
    });
    const secure = await findAddress('tcp://far', { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: home });
    expect(secure.options).toMatchObject({ protocol: 'https', port: 2376 });
    expect(String(secure.options.ca)).toBe('ca');
  });

  it('says which context or certificate is not there, and which host it does not understand', async () => {
    await expect(findAddress(undefined, { HOME: home, DOCKER_CONTEXT: 'broken' })).rejects.toMatchObject({
      code: 'no-engine',
      message: expect.stringContaining('broken') as string,
    });
    await expect(
      findAddress('tcp://far', { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: '/nowhere' }),
    ).rejects.toMatchObject({ code: 'no-engine', message: expect.stringContaining('/nowhere') as string });
    await expect(findAddress('carrier-pigeon://roof', {})).rejects.toMatchObject({ code: 'usage' });
  });
});
