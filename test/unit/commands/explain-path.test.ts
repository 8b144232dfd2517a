import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { explainPath } from '../../../console/commands/explain-path.ts';
import { Reporter } from '../../../console/commands/report.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'drydock-rules-'));
  mkdirSync(join(dir, 'data'));
  writeFileSync(join(dir, '.gitignore'), '*.py\n');
  writeFileSync(join(dir, '.amlignore'), '# ours\n*.csv\ndata\n');
  writeFileSync(join(dir, '.drydockignore'), '!keep.csv\n!main.py\n');
});
afterAll(() => rmSync(dir, { recursive: true }));

async function explained(path: string): Promise<unknown> {
  const out = new PassThrough();
  await explainPath(new Reporter(true, out, new PassThrough(), {}), path, { dir });
  out.end();
  return JSON.parse(await text(out));
}

test.each([
  ['a.csv', true, '*.csv', '.amlignore:2'],
  ['keep.csv', false, '!keep.csv', '.drydockignore:1'],
  ['data/deep/x.txt', true, 'data', '.amlignore:3'],
  ['main.py', false, '!main.py', '.drydockignore:2'],
  ['conda.yml', true, '/conda.yml', 'built in'],
  ['pkg/__pycache__/', true, '__pycache__/', 'built in'],
  ['.drydock/x', true, '.drydock/', 'built in'],
])('%s', async (path, ignored, pattern, origin) => {
  expect(await explained(path)).toEqual({ path: path.replace(/\/$/, ''), ignored, rule: { pattern, origin } });
});

test('what no rule names, .gitignore where there is .amlignore, a path outside', async () => {
  expect(await explained('score.py')).toEqual({ path: 'score.py', ignored: false, rule: null });
  expect(await explained(join(dir, 'score.py'))).toMatchObject({ path: 'score.py' });
  await expect(explained('../x')).rejects.toMatchObject({ code: 'usage' });
});
