/** Who knows only that it answers 500 finds line, variable and mend without leaving the console: the panes, by keys. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DEBUGPY } from '../../setup/debugpy.ts';
import { DapClient, launchEntry } from '../support/dap.ts';
import { console, LiveContainer, score, until, Workspace } from '../support/live.ts';

const code = (column: string, factor: number) => `import json


def init():
    pass


def run(data):
    rows = json.loads(data)['data']
    password = 'not for eyes'
    total = sum(row[${column}] for row in rows)
    return {'total': total * ${factor}}
`;
/** `return …`: the line before is one of a generator, too. */
const RETURN = 12;
const INIT = 5;

async function total(url: string): Promise<unknown> {
  const { status, body } = await score(url);
  return status === 200 ? (JSON.parse(body) as { total?: unknown }).total : status;
}

test.each(['plain-user', 'root'] as const)('%s: Score and Debug', async (variant) => {
  await using container = await LiveContainer.start(variant);
  using workspace = new Workspace();
  const { app } = workspace;
  const file = join(app, 'score.py');
  const url = await container.scoreUrl();
  mkdirSync(join(workspace.dir, '.git')); // what the editor has open; the app is a folder in it
  await using terminal = console(['attach', container.name, '--dir', app], workspace, { columns: 100, rows: 36 });
  await terminal.waitFor(/Edit .*score\.py/);
  writeFileSync(file, code('0', 1));
  await until('the code serves', async () => (await total(url)) === 11);

  // A good request is seen as it comes.
  terminal.type('4');
  await terminal.waitFor(/200 .*POST \/score/);
  // New code that passed with that request, and fails with another one.
  writeFileSync(file, code("0 if row[0] < 5 else 'age'", 1));
  await terminal.waitFor(/TypeError|KeyError|rejected|failed/i);
  expect(await total(url)).toBe(11);
  writeFileSync(file, code('0', 2).replace('total =', "assert len(rows) < 3, 'too many'\n    total ="));
  await until('the newer code serves', async () => (await total(url)) === 22);
  const bad = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ data: [[1], [2], [3]] }),
  });
  expect(bad.status).toBe(500);
  expect(await bad.text()).not.toContain('too many');
  await terminal.waitFor(/500 .*AssertionError: too many/);
  terminal.type('g\r');
  await terminal.waitFor(/score\.py:\d+/);
  await terminal.waitFor(/rows = \[\[1\], \[2\], \[3\]\]/);
  expect(terminal.screen()).not.toContain('not for eyes');
  // A request without the key that the code reads: the mend stands above the traceback.
  terminal.type('\x1b');
  const keyless = await fetch(url, { method: 'POST', body: '{"rows": [[1]]}' });
  expect(keyless.status).toBe(500);
  await terminal.waitFor(/500 .*KeyError: 'data'/);
  terminal.type('g\r');
  await terminal.waitFor(
    /→ run\(\) reads the key data, and sent is rows: send \{"data": …\}, or let run\(\) read rows/,
  );
  terminal.type('\x1b');
  await terminal.waitFor(/\d+ requests?, \d+ not well .*\d+(\.\d+)? kB of 16 MB/);
  terminal.type('j\r');
  await terminal.waitFor(/rows = \[\[1\], \[2\], \[3\]\]/);
  // The long text is searched.
  terminal.type('/content-type\r');
  await terminal.waitFor(/content-type +1 of \d/);

  // Mended, the same request is asked again by a key.
  writeFileSync(file, code('0', 3));
  await until('the mend serves', async () => (await total(url)) === 33);
  terminal.type('a');
  await terminal.waitFor(/again: 200 in [\d.]+ ms, before [\d.]+ ms: good now/);
  terminal.type('\x1b');

  // A debugger by a key, and a client of it.
  terminal.type('5d');
  await terminal.waitFor(/worker +\d+, debugpy/);
  const port = Number((await terminal.waitFor(/port +127\.0\.0\.1:\d+/)).match(/127\.0\.0\.1:(\d+)\s*$/m)?.[1]);
  using client = await DapClient.connect(port);
  await terminal.waitFor(`debugpy==${DEBUGPY['3.8']}`);
  await client.attach(launchEntry(join(workspace.dir, '.vscode/launch.json')), { [file]: [RETURN] });
  await terminal.waitFor('a debugger attached');
  const asked = total(url);
  const stop = await client.stopped();
  expect(stop).toMatchObject({ name: 'run', line: RETURN, path: file });
  await terminal.waitFor('stands in the debugger');
  await client.ask('continue', { threadId: stop.threadId });
  expect(await asked).toBe(33);
  await terminal.waitGone('stands in the debugger');
  await client.ask('disconnect', {}); // and with it goes the breakpoint

  // The model is at hand at a prompt.
  terminal.type('i');
  await terminal.waitFor('>>>');
  terminal.type('run(\'{"data": [[5]]}\')\r');
  await terminal.waitFor("{'total': 15}");
  terminal.type('\x04');
  await terminal.waitFor('healthy');

  // No debugger any more.
  terminal.type('5d');
  await terminal.waitFor('Press d');
  // All known requests once more, each question once: one of them never had a good answer before the mend.
  terminal.type('4A');
  await terminal.waitFor(/[✓✗] 3 questions asked again: /);
  await terminal.waitFor(/POST \/score → 200 in .*before: \d00 in/);
  // A load by the numbers that are typed; the dialog is left, and its end is told.
  terminal.type('\x1bl4\t1\r');
  await terminal.waitFor('asking 4 times a second for 1 s');
  terminal.type('\x1b');
  await terminal.waitFor(/✓ the load: 4 of 4 requests answered well/);
  terminal.type('l');
  await terminal.waitFor(/v2, deployment\.yml|replicas?: 4 requests a second/);
  terminal.type('\x1b');

  // What init() takes, alone.
  terminal.type('3P');
  await terminal.waitFor(/✓ init +/);
  await terminal.waitFor(/✓ all is well: \d+ steps/);

  // Code that is held for a breakpoint in init().
  terminal.type('5w');
  await terminal.waitFor('is held before its import');
  const again = Number((await terminal.waitFor(/port +127\.0\.0\.1:\d+/)).match(/127\.0\.0\.1:(\d+)\s*$/m)?.[1]);
  using early = await DapClient.connect(again);
  await early.attach(launchEntry(join(workspace.dir, '.vscode/launch.json')), { [file]: [INIT] });
  const held = await early.stopped();
  expect(held).toMatchObject({ name: 'init', line: INIT });
  await early.ask('continue', { threadId: held.threadId });
  await terminal.waitGone('is held before its import');
  // No worker of this service dials out.
  terminal.type('l');
  await terminal.waitFor('AZUREML_DEBUG_PORT is not set');
  await early.ask('disconnect', {});

  // What a probe finds is opened where it is in the code.
  writeFileSync(file, code('0', 3).replace('pass', 'open(MISSING)'));
  await terminal.waitFor(/rejected|NameError/);
  terminal.type('p');
  await terminal.waitFor(/✗ init\(\) .*score\.py:5 NameError/);
  terminal.type('\r');
  await terminal.waitFor(/▸ +5 │ +open\(MISSING\)/);
  await terminal.waitFor("name 'MISSING' is not defined");
  terminal.type('\x1b');
  await terminal.waitFor(/✗ init\(\)/);
  terminal.type('q');
  expect(await terminal.exited).toMatchObject({ exitCode: 0 });
});
