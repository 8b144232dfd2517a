import { mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { FolderRules } from '../../../console/engine/rules.ts';

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'drydock-rules-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  writeFileSync(join(dir, '.gitignore'), 'a\n');
  return dir;
}

test.each([
  ['is touched', '.gitignore', 'a\n', true],
  ['has another line', '.gitignore', 'b\n', false],
  ['comes', '.drydockignore', 'b\n', false],
  ['comes in the place of another, with the same lines', '.amlignore', 'a\n', true],
] as const)('a file %s', async (_, name, text, expected) => {
  const dir = folder();
  const rules = await FolderRules.read(dir);
  expect(rules.lines).toEqual(['a', '']);
  writeFileSync(join(dir, name), text);
  expect(await rules.hold()).toBe(expected);
});

test('what was written in the same tick of the clock, with the same size, is seen', async () => {
  const dir = folder();
  for (let n = 0; n < 200; n++) {
    const rules = await FolderRules.read(dir);
    writeFileSync(join(dir, '.gitignore'), n % 2 === 0 ? 'b\n' : 'a\n');
    utimesSync(join(dir, '.gitignore'), 1, 1);
    expect(await rules.hold()).toBe(false);
  }
});

test('once they were others they never hold again, whatever follows', async () => {
  const dir = folder();
  const rules = await FolderRules.read(dir);
  writeFileSync(join(dir, '.gitignore'), 'b\n');
  const asked = [rules.hold(), rules.hold()];
  expect(await Promise.all(asked)).toEqual([false, false]);
  writeFileSync(join(dir, '.gitignore'), 'a\n');
  expect(await rules.hold()).toBe(false);
});

test('a save that takes the file away for a moment is waited for', async () => {
  const dir = folder();
  const at = join(dir, '.gitignore');
  const rules = await FolderRules.read(dir);
  renameSync(at, `${at}~`);
  const rested = rules.rest();
  await new Promise(setImmediate);
  writeFileSync(at, 'b\n');
  await rested;
  expect((await FolderRules.read(dir)).lines).toEqual(['b', '']);
});
