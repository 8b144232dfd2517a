import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { engineError } from '../../../console/place/docker/errors.ts';
import { openDocker } from '../../../console/place/docker/docker.ts';

describe('what the engine’s socket answers', () => {
  it('is no engine where there is no socket, or nobody behind it', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'drydock-socket-'));
    const place = await openDocker({ host: `unix://${dir}/docker.sock`, env: {} });
    await expect(place.list()).rejects.toMatchObject({ code: 'no-engine', exitCode: 3 });
    const server = createServer((socket) => socket.destroy()).listen(join(dir, 'docker.sock'));
    await expect(place.open('debug')).rejects.toMatchObject({ code: 'no-engine' });
    server.close();
    await place.close();
    await rm(dir, { recursive: true });
  });

  it('is no permission where this user may not open it', () => {
    // Root may open everything: the error is made as Node makes it.
    const refused = Object.assign(new Error('connect EACCES /var/run/docker.sock'), { code: 'EACCES' });
    const error = engineError(refused, { host: 'unix:///var/run/docker.sock', what: 'list the containers' });
    expect(error).toMatchObject({ code: 'no-permission', exitCode: 3, cause: refused });
    expect(error.hint).toContain('usermod -aG docker');
  });

  it('keeps the engine’s words without the client’s wrapping', () => {
    const answer = Object.assign(new Error('(HTTP code 500) server error - no space left on device '), {
      statusCode: 500,
    });
    const error = engineError(answer, { host: 'h', what: 'commit debug', container: 'debug' });
    expect(error.message).toBe('Could not commit debug: no space left on device');
    expect(error.code).toBe('io');
  });
});
