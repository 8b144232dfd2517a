/** A Python prompt in a fork of the serving worker, which does not notice. */
import { expect, test } from 'vitest';
import { console, drydock, LiveContainer, Running, score, Workspace } from '../support/live.ts';

test.each(['plain-user', 'root'] as const)('%s: what is changed there does not reach the service', async (variant) => {
  await using container = await LiveContainer.start(variant);
  using workspace = new Workspace();
  const repl = (code: string) => drydock(['repl', container.name, '-c', code], workspace);
  const told = async (code: string) => {
    const { exitCode, stdout } = await drydock(['repl', container.name, '-c', code, '--json'], workspace);
    return { exitCode, told: JSON.parse(stdout) as unknown };
  };
  const url = await container.scoreUrl();
  const before = await score(url);
  expect(await repl('type(model).__name__')).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(/^'\w+'\s*$/) as string,
  });
  const changed = await repl('model = None\nprint(model)\nrun');
  expect(changed.stdout).toMatch(/^None\r?\n<function run/);
  expect(await score(url)).toEqual(before);
  const failed = await repl('1 / 0');
  expect(failed.exitCode).toBe(1);
  expect(failed.stdout).toContain('ZeroDivisionError');
  expect((await repl('raise SystemExit(7)')).exitCode).toBe(7);
  // Somebody who follows the service keeps the worker that can be forked: the code is not booted anew for each of these.
  await using sync = new Running(['sync', container.name, '--dir', workspace.app, '--no-reload', '--json'], workspace);
  await sync.event('the first comparison', ({ event }) => event === 'ready');
  // A program is told apart what was printed, the value and the error; also of a pipe that outlives the code.
  const prints =
    "import os, sys\nprint('out'); sys.stderr.write('err\\n')\nos.system('echo sub; sleep 600 &')\n[1, 'é']";
  expect(await told(prints)).toEqual({
    exitCode: 0,
    told: { printed: 'out\nerr\nsub\n', cut: false, value: "[1, 'é']", error: null, exitCode: 0 },
  });
  expect(await told("print('x')\n{}['data']")).toMatchObject({
    exitCode: 1,
    told: {
      ...{ printed: 'x\n', value: null, exitCode: 1 },
      error: {
        type: 'KeyError',
        message: "'data'",
        traceback: expect.stringContaining('File "<repl>", line 2') as string,
      },
    },
  });
  expect(await told("print('a' * 2_000_000)\nraise SystemExit(7)")).toMatchObject({
    exitCode: 7,
    told: { cut: true, value: null, error: null, exitCode: 7 },
  });
  expect(await told('os = __import__("os"); os.kill(os.getpid(), 9)')).toMatchObject({
    exitCode: 1,
    told: { error: { type: 'Killed' }, exitCode: 1 },
  });
  expect(await score(url)).toEqual(before);
  // Nothing is left of the forks, and nobody but the service has its port.
  const left = await container.exec('sh', '-c', 'for p in /proc/[0-9]*; do tr "\\0" " " <$p/cmdline; echo; done');
  expect(left).not.toContain('repl.py');
});

test('at a terminal: the model is there, Ctrl-C is Python’s, Ctrl-D ends it', async () => {
  await using container = await LiveContainer.start('plain-user');
  using workspace = new Workspace();
  await using terminal = console(['repl', container.name], workspace, { columns: 100, rows: 24 });
  await terminal.waitFor('>>>');
  terminal.type('type(model)\r');
  await terminal.waitFor("<class 'sklearn");
  terminal.type('import time; time.sleep(600)\r');
  await terminal.waitFor('sleep(600)');
  terminal.type('\x03');
  // Not before it asks again: what comes before that is the terminal's own end of file, which the prompt does not see.
  await terminal.waitFor(/KeyboardInterrupt\s+>>>\s*$/);
  terminal.type('\x04');
  expect(await terminal.exited).toMatchObject({ exitCode: 0 });
});
