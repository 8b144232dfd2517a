import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { extract } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { contextTar, type Source } from '../../../console/images/context.ts';
import { readBuildOptions, type BuildFlags } from '../../../console/images/project.ts';
import { readRequirements } from '../../../console/images/requirements.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'drydock-project-'));
});
afterEach(() => rm(dir, { recursive: true }));

const write = async (path: string, text = '') => {
  await mkdir(join(dir, path, '..'), { recursive: true });
  await writeFile(join(dir, path), text);
};
const read = (flags: BuildFlags, env: Record<string, string> = {}) => readBuildOptions('.', flags, { cwd: dir, env });

describe('readBuildOptions', () => {
  it('has the defaults of the guide', async () => {
    await write('requirements.txt', 'numpy\n');
    expect(await read({})).toMatchObject({
      dir,
      entry: 'score.py',
      packages: { kind: 'pip', text: 'numpy\n' },
      uid: 1000,
      tag: 'debug:1',
    });
  });

  it('reads NAME[:VERSION]=PATH', async () => {
    const { models } = await read({ model: ['diabetes=m.pkl', 'other:12=folder/x'] });
    expect(models).toEqual([
      { name: 'diabetes', version: 1, path: join(dir, 'm.pkl') },
      { name: 'other', version: 12, path: join(dir, 'folder/x') },
    ]);
  });

  it.each([
    [{ model: ['diabetes'] }, /names no model/],
    [{ model: ['diabetes:new=x'] }, /names no model/],
    [{ entry: '../score.py' }, /lies outside/],
    [{ user: 'nobody' }, /takes root or a number/],
    [{ requirements: 'a', conda: 'b' }, /exclude each other/],
    [{ conda: 'conda.yml' }, /cannot be read/],
    [{ steps: 'missing' }, /cannot be read/],
  ])('refuses %j', async (flags, message) => {
    await expect(read(flags)).rejects.toThrow(message);
  });

  it('passes on how this machine reaches indexes, and nothing else', async () => {
    await write('ca.pem', 'PEM');
    const env = { PIP_CERT: join(dir, 'ca.pem'), PIP_INDEX_URL: 'https://index', https_proxy: 'http://p', SECRET: 'x' };
    expect((await read({}, env)).downloads).toEqual({
      certificates: 'PEM',
      env: { PIP_INDEX_URL: 'https://index', https_proxy: 'http://p' },
    });
  });
});

describe('readRequirements', () => {
  it('puts included files in their place', async () => {
    await write('requirements.txt', 'a\n-r sub/more.txt\nb');
    await write('sub/more.txt', 'c\n--requirement last.txt');
    await write('sub/last.txt', 'd');
    expect(await readRequirements(join(dir, 'requirements.txt'))).toBe('a\nc\nd\nb');
  });

  it('refuses what needs a local file, with its line', async () => {
    await write('requirements.txt', 'a\n-e .\n');
    await expect(readRequirements(join(dir, 'requirements.txt'))).rejects.toThrow(/requirements\.txt:2: “-e \.”/);
  });
});

describe('contextTar', () => {
  const names = async (sources: readonly Source[]) => {
    const found: string[] = [];
    const tar = extract();
    tar.on('entry', ({ name }, stream, next) => {
      found.push(name);
      stream.on('end', () => next(null)).resume();
    });
    for await (const chunk of contextTar(sources, [{ path: 'app/main.py', mode: 0o644, text: 'made' }]))
      tar.write(chunk);
    tar.end(undefined);
    await new Promise<void>((resolve) => tar.once('finish', () => resolve()));
    return found;
  };

  it('leaves out what ignore files and good sense exclude, and what is generated', async () => {
    for (const path of [
      'score.py',
      'main.py',
      'a.log',
      '.git/HEAD',
      '__pycache__/x.pyc',
      'sub/venv/x',
      'sub/keep.py',
    ]) {
      await write(path);
    }
    await write('.gitignore', 'keep.py\n');
    await write('.amlignore', '*.log\n'); // counts instead of .gitignore
    expect((await names([{ from: dir, to: 'app', project: true }])).sort()).toEqual(
      ['app', 'app/.amlignore', 'app/.gitignore', 'app/main.py', 'app/score.py', 'app/sub', 'app/sub/keep.py'].sort(),
    );
  });

  it('takes everything of a model folder, whatever the project ignores', async () => {
    await write('model/a.log');
    await write('.gitignore', '*.log');
    expect(await names([{ from: join(dir, 'model'), to: 'models/m/1/model' }])).toContain('models/m/1/model/a.log');
  });
});
