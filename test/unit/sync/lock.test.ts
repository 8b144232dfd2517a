import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { takeLock } from '../../../console/engine/sync/lock.ts';
import { unreaped } from '../../support/unreaped.ts';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drydock-lock-'));
  file = join(folder, 'lock');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('is held until it is let go', async () => {
  const release = takeLock(file, '/here');
  expect(() => takeLock(file, '/here')).toThrow(`Another Drydock (process ${process.pid}) synchronises /here.`);
  release();
  takeLock(file, '/here')();
  expect(await readdir(folder)).toEqual([]);
});

/** A program that holds the lock. */
function holding(): string[] {
  const module = new URL('../../../console/engine/sync/lock.ts', import.meta.url).href;
  const script = `const { takeLock } = await import(${JSON.stringify(module)}); takeLock(${JSON.stringify(file)}, ''); console.log('held'); setInterval(() => {}, 1000);`;
  return ['--input-type=module', '-e', script];
}

test('of a killed process is void', async () => {
  const holder = spawn(process.execPath, holding(), { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(holder.stdout, 'data');
  expect(() => takeLock(file, '/here')).toThrow(`process ${holder.pid}`);
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  takeLock(file, '/here')();
  expect(await readdir(folder)).toEqual([]);
});

test('of a killed process whose parent does not ask for it is void', async () => {
  using holder = await unreaped(process.execPath, ...holding());
  await once(holder.stdout, 'data');
  expect(() => takeLock(file, '/here')).toThrow(`process ${holder.pid}`);
  await holder.kill();
  takeLock(file, '/here')();
  expect(await readdir(folder)).toEqual([]);
});

test('of a process whose number lives on in another, or of nonsense, is void', async () => {
  for (const text of [`${process.pid} another-boot:1 x`, '', 'nonsense']) {
    await writeFile(file, text);
    takeLock(file, '/here')();
  }
});
