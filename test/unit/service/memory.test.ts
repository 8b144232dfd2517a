import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { readMemory, residentOf } from '../../../agent/service/memory.ts';

const group = (files: Readonly<Record<string, string>>): ReturnType<typeof readMemory> => {
  const root = mkdtempSync(join(tmpdir(), 'drydock-cgroup-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  const state = readMemory(root);
  rmSync(root, { recursive: true });
  return state;
};

test('version 2', () => {
  const events = 'low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n';
  expect(group({ 'memory.events': events, 'memory.max': '536870912\n' })).toEqual({ kills: 2, limit: 536870912 });
  expect(group({ 'memory.events': events, 'memory.max': 'max\n' })).toEqual({ kills: 2, limit: null });
});

test('version 1, where no limit is a very large one', () => {
  const control = 'oom_kill_disable 0\nunder_oom 0\noom_kill 1\n';
  expect(
    group({ 'memory/memory.oom_control': control, 'memory/memory.limit_in_bytes': '9223372036854771712\n' }),
  ).toEqual({ kills: 1, limit: null });
});

test('no control group that can be read', () => expect(group({})).toEqual({ kills: null, limit: null }));

test('a process holds memory while it lives', () => {
  expect(residentOf(process.pid)).toBeGreaterThan(2 ** 20);
  expect(residentOf(10_000_001)).toBeNull();
});
