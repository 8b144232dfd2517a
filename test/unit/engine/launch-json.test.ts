/** `.vscode/launch.json`: where it lies, what the entry says, and that all else in it stays. */
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, type ParseError } from 'jsonc-parser';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { writeLaunch, type LaunchWish } from '../../../console/engine/launch-json.ts';

let home: string;
beforeEach(() => {
  home = realpathSync(mkdtempSync(join(tmpdir(), 'drydock-launch-')));
  vi.stubEnv('HOME', home);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true, force: true });
});

function folder(path: string): string {
  mkdirSync(join(home, path), { recursive: true });
  return join(home, path);
}

const write = (dir: string, wish: Partial<LaunchWish> = {}) =>
  writeLaunch({ name: 'debug', port: 5678, way: 'connect', dir, root: '/var/azureml-app', ...wish });

const entry = (localRoot: string) => ({
  name: 'Drydock: debug',
  type: 'debugpy',
  request: 'attach',
  connect: { host: '127.0.0.1', port: 5678 },
  pathMappings: [{ localRoot, remoteRoot: '/var/azureml-app' }],
  redirectOutput: true,
  restart: true,
});

test('is made with an entry that attaches, and is the same when it is written again', async () => {
  const dir = folder('app');
  const file = join(dir, '.vscode/launch.json');
  expect(await write(dir)).toEqual({ file, name: 'Drydock: debug', result: 'created' });
  const text = readFileSync(file, 'utf8');
  expect(parse(text)).toEqual({ version: '0.2.0', configurations: [entry('${workspaceFolder}')] });
  expect(await write(dir)).toMatchObject({ file, result: 'same' });
  expect(readFileSync(file, 'utf8')).toBe(text);
});

test.each([
  ['a trailing comma', ','],
  ['none', ''],
])(
  'comments and other entries stay as they are, with %s; of its own only what is new changes',
  async (_name, comma) => {
    const dir = folder('app');
    const file = join(folder('app/.vscode'), 'launch.json');
    const mine = [
      '{\n  // mine\n  "configurations": [\n',
      `    {"name": "tests", "type": "debugpy", "request": "launch"}${comma} // keep\n`,
      '  ],\n  "compounds": []\n}\n',
    ];
    writeFileSync(file, mine.join(''));
    const text = () => readFileSync(file, 'utf8');
    const configurations = () => (parse(text()) as { configurations: unknown[] }).configurations;
    const tests = { name: 'tests', type: 'debugpy', request: 'launch' };

    expect(await write(dir)).toMatchObject({ result: 'merged' });
    expect(configurations()).toEqual([tests, entry('${workspaceFolder}')]);
    for (const part of mine) expect(text()).toContain(part.replace('"} //', '"}, //'));
    expect(await write(dir)).toMatchObject({ result: 'same' });

    // What the user has added to it is his.
    writeFileSync(file, text().replace('"restart": true', '"justMyCode": false, "restart": true'));
    expect(await write(dir, { port: 5679, way: 'listen' })).toMatchObject({ result: 'merged' });
    const { connect: _, ...rest } = entry('${workspaceFolder}');
    expect(configurations()).toEqual([
      tests,
      { ...rest, listen: { host: '127.0.0.1', port: 5679 }, justMyCode: false },
    ]);
    for (const part of mine) expect(text()).toContain(part.replace('"} //', '"}, //'));
  },
);

test.each(['[]', '[ ]', '[\n  ]', '[{"name": "tests"}]', '[{"name": "tests"} // keep\n, ]'])(
  'a list like %j is completed',
  async (list) => {
    const dir = folder('app');
    const file = join(folder('app/.vscode'), 'launch.json');
    writeFileSync(file, `{"configurations": ${list}}`);
    await write(dir);
    const text = readFileSync(file, 'utf8');
    const errors: ParseError[] = [];
    const { configurations } = parse(text, errors, { allowTrailingComma: true }) as { configurations: unknown[] };
    expect(errors).toEqual([]);
    expect(configurations.at(-1)).toEqual(entry('${workspaceFolder}'));
    expect(await write(dir)).toMatchObject({ result: 'same' });
  },
);

test('an entry is put where there is no list yet', async () => {
  const dir = folder('app');
  const file = join(folder('app/.vscode'), 'launch.json');
  writeFileSync(file, '{ "version": "0.2.0" } // nothing yet\n');
  expect(await write(dir)).toMatchObject({ result: 'merged' });
  const text = readFileSync(file, 'utf8');
  expect(parse(text)).toEqual({ version: '0.2.0', configurations: [entry('${workspaceFolder}')] });
  expect(text).toContain('// nothing yet');
});

test.each(['.git', '.vscode', 'models.code-workspace'])('lies in the nearest folder above with %s', async (mark) => {
  folder('work/.git');
  folder(`work/project/${mark}`);
  const launch = await write(folder('work/project/src/app'));
  expect(launch.file).toBe(join(home, 'work/project/.vscode/launch.json'));
  expect(parse(readFileSync(launch.file, 'utf8'))).toMatchObject({
    configurations: [entry('${workspaceFolder}/src/app')],
  });
});

test.each(['.vscode', '.git'])(
  'the home folder with %s in it is no project: the folder itself has it',
  async (mark) => {
    folder(mark);
    const dir = folder('work/app');
    expect((await write(dir)).file).toBe(join(dir, '.vscode/launch.json'));
  },
);

test('where no folder above is a project’s, the folder itself has it', async () => {
  vi.stubEnv('HOME', join(home, 'elsewhere'));
  const dir = folder('work/app');
  expect((await write(dir)).file).toBe(join(dir, '.vscode/launch.json'));
});

test('a folder that is reached by a link is where it really lies', async () => {
  folder('work/project/.git');
  folder('work/project/src');
  symlinkSync(join(home, 'work/project/src'), join(home, 'app'));
  const launch = await write(join(home, 'app'));
  expect(launch.file).toBe(join(home, 'work/project/.vscode/launch.json'));
  expect(parse(readFileSync(launch.file, 'utf8'))).toMatchObject({ configurations: [entry('${workspaceFolder}/src')] });
});
