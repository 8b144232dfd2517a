/** Which configuration file a gunicorn reads at a HUP. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { configFile } from '../../../agent/hook/inject.ts';
import type { WorkerContext } from '../../../agent/service/worker.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'drydock-config-'));
  mkdirSync(join(dir, 'deep'));
  mkdirSync(join(dir, 'moved'));
  writeFileSync(join(dir, 'moved/gunicorn.conf.py'), `chdir = '${dir}/deep'\n`);
});
afterAll(() => rmSync(dir, { recursive: true }));

interface Given {
  readonly args?: readonly string[];
  readonly environ?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly server?: WorkerContext['server'];
  readonly title?: string;
}

/** With DIR for the test's folder. */
function file({ args = [], environ = {}, cwd = 'DIR', server = 'gunicorn', title = 'python3' }: Given): unknown {
  const own = (text: string): string => text.replaceAll('DIR', dir);
  const worker: WorkerContext = {
    server,
    command: { interpreter: 'python3', flags: [], program: { kind: 'script', name: 'gunicorn' }, args: args.map(own) },
    interpreter: '/usr/bin/python3',
    pythonVersion: null,
    isPast: false,
    cwd: own(cwd),
    environ: Object.fromEntries(Object.entries(environ).map(([name, value]) => [name, own(value)])),
    env: {},
    uid: 0,
    gid: 0,
    user: 'root',
    entryScript: null,
    application: null,
    sources: { interpreter: '', entry: null, env: '' },
  };
  const found = configFile({ pid: 1, ppid: 0, startTicks: 0, argv: [title] }, worker);
  return typeof found === 'string' ? found.replaceAll(dir, 'DIR') : found.why.replaceAll(dir, 'DIR');
}

test.each<[string, Given, string]>([
  ['its working folder', {}, 'DIR/gunicorn.conf.py'],
  ['of azmlinfsrv too', { server: 'azmlinfsrv', args: ['--entry_script', 'x.py'] }, 'DIR/gunicorn.conf.py'],
  ['-c', { args: ['-c', 'conf/g.py'] }, 'DIR/conf/g.py'],
  ['-c file:', { args: ['--config=file:/etc/g.py'] }, '/etc/g.py'],
  ['in the environment', { environ: { GUNICORN_CMD_ARGS: '-c e.py' } }, 'DIR/e.py'],
  ['the command line goes first', { args: ['-c', 'l.py'], environ: { GUNICORN_CMD_ARGS: '-c e.py' } }, 'DIR/l.py'],
  ['of azmlinfsrv in the environment', { server: 'azmlinfsrv', environ: { GUNICORN_CMD_ARGS: '-c e.py' } }, 'DIR/e.py'],
  [
    'the folder from which --chdir went',
    { args: ['--chdir', 'deep'], environ: { PWD: 'DIR' }, cwd: 'DIR/deep' },
    'DIR/gunicorn.conf.py',
  ],
  [
    'an absolute -c, wherever it went',
    { args: ['-c', 'DIR/g.py', '--chdir', 'DIR/deep'], cwd: 'DIR/deep' },
    'DIR/g.py',
  ],
  ['a PWD that is another process’s', { environ: { PWD: '/' } }, 'DIR/gunicorn.conf.py'],
])('%s', (_, given, expected) => expect(file(given)).toBe(expected));

test.each<[string, Given, RegExp]>([
  ['a module', { args: ['-c', 'python:conf'] }, /the module conf/],
  ['a title', { title: 'gunicorn: master [app:app]' }, /hides its command line/],
  ['an absolute --chdir', { args: ['--chdir', 'DIR/deep'], cwd: 'DIR/deep' }, /has gone from the folder/],
  [
    'a --chdir whose PWD does not fit',
    { args: ['--chdir', 'deep'], environ: { PWD: '/' }, cwd: 'DIR/deep' },
    /not certain/,
  ],
  ['a configuration that went elsewhere', { environ: { PWD: 'DIR/moved' }, cwd: 'DIR/deep' }, /not certain/],
  ['no gunicorn', { server: 'other' }, /not gunicorn/],
])('not certain: %s', (_, given, expected) => expect(file(given)).toMatch(expected));
