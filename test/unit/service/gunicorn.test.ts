import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { gunicornSettings, parseConfigFile, parseGunicorn } from '../../../agent/service/gunicorn.ts';

const words = (line: string): string[] => line.split(' ').filter(Boolean);

test.each([
  ['-b 0.0.0.0:5001 -w 2 app:app', { app: 'app:app', ports: [5001] }],
  [
    '--bind=127.0.0.1:31311 --preload --chdir /srv entry:app',
    { app: 'entry:app', ports: [31311], chdir: '/srv', preload: true },
  ],
  ['-b[::]:80 -b unix:/run/g.sock app', { app: 'app', ports: [80] }],
  ['-c /var/azureml-server/gunicorn_conf.py --capture-output entry:app', { app: 'entry:app', ports: [] }],
  ['-t 7 --max-requests=100 -e A=b=c --env D=', { timeout: 7, maxRequests: 100, env: { A: 'b=c', D: '' } }],
])('gunicorn %s', (line, expected) => expect(parseGunicorn(words(line))).toMatchObject(expected));

test('of a configuration file literals are taken, and what it computes is not', () => {
  const text = `import os
wsgi_app = "pkg.main:app"  # the app
bind = '0.0.0.0:8080'
timeout = 60
max_requests = int(os.environ["MAX"])
preload_app = True
def post_fork(server, worker):
    chdir = "/no"
`;
  expect(parseConfigFile(text)).toEqual({ app: 'pkg.main:app', ports: [8080], timeout: 60, preload: true, env: {} });
});

test('the command line goes before GUNICORN_CMD_ARGS, and that before the file', () => {
  const dir = mkdtempSync(join(tmpdir(), 'drydock-gunicorn-'));
  const settings = (line: string, env = '') => {
    const command = {
      interpreter: 'python',
      flags: [],
      program: { kind: 'script', name: 'gunicorn' },
      args: words(line),
    } as const;
    return gunicornSettings(command, { GUNICORN_CMD_ARGS: env }, dir);
  };
  expect(settings('a:app')).toMatchObject({ timeout: 30, maxRequests: 0, ports: [], portSource: null });
  writeFileSync(join(dir, 'gunicorn.conf.py'), "bind = ':1'\ntimeout = 1\nwsgi_app = 'file:app'\n");
  expect(settings('')).toMatchObject({
    app: 'file:app',
    appSource: './gunicorn.conf.py',
    ports: [1],
    portSource: './gunicorn.conf.py',
    timeout: 1,
  });
  expect(settings('', '-b :2 --timeout 2')).toMatchObject({ ports: [2], portSource: 'GUNICORN_CMD_ARGS', timeout: 2 });
  expect(settings('-b :3 app:app', '-b :2 --timeout 2')).toMatchObject({
    app: 'app:app',
    ports: [3],
    portSource: 'the command line',
    timeout: 2,
  });
  rmSync(dir, { recursive: true });
});
