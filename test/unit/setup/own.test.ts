import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freshCopy } from '../../../setup/demo/own.ts';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'drydock-own-'));
});
afterEach(() => rm(home, { recursive: true }));

describe('freshCopy', () => {
  it('replaces the copy of an earlier demo', async () => {
    const dir = join(home, 'demo', 'diabetes');
    await freshCopy(dir);
    await writeFile(join(dir, 'score.py'), 'edited');
    await writeFile(join(dir, 'stray.py'), '');
    await freshCopy(dir);
    expect(await readFile(join(dir, 'score.py'), 'utf8')).toContain('get_model_path');
    await expect(stat(join(dir, 'stray.py'))).rejects.toThrow();
  });

  it('never touches a folder that no demo made', async () => {
    const dir = join(home, 'demo', 'diabetes');
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, 'mine.py'), 'mine');
    await expect(freshCopy(dir)).rejects.toMatchObject({ code: 'taken' });
    expect(await readFile(join(dir, 'mine.py'), 'utf8')).toBe('mine');
  });
});
