import { expect, test } from 'vitest';
import { explainExit, type ExitEvidence } from '../../../agent/service/explain-exit.ts';
import { ExitWatch } from '../../../agent/service/exits.ts';
import type { FoundService } from '../../../agent/service/find.ts';

const nothing: ExitEvidence = {
  what: 'worker 41',
  byMemory: false,
  memoryLimit: 512 * 2 ** 20,
  resident: null,
  silent: false,
  timeoutMs: 300_000,
  timeoutName: 'WORKER_TIMEOUT',
};

test.each<[string, Partial<ExitEvidence>, string | null]>([
  ['a kill for memory', { byMemory: true }, 'worker 41 was killed by the kernel for memory at 512 MB'],
  [
    'with what it held, on a machine that ran out of memory',
    { byMemory: true, memoryLimit: null, resident: 3 * 2 ** 30 },
    'worker 41 was killed by the kernel for memory: the machine ran out of it; it held 3072 MB when last seen',
  ],
  [
    'no heartbeat, as seen from outside',
    { silent: true },
    'worker 41 was ended by gunicorn after 300 s without a heartbeat (WORKER_TIMEOUT)',
  ],
  [
    'the same as the master tells it',
    { status: { code: 1, timeout: true } },
    'worker 41 was ended by gunicorn after 300 s without a heartbeat (WORKER_TIMEOUT)',
  ],
  [
    'a crash',
    { status: { signal: 'SIGSEGV', timeout: false } },
    'worker 41 crashed by SIGSEGV: a compiled package does not fit this Python or this machine',
  ],
  [
    'a kill by somebody',
    { status: { signal: 'SIGKILL', timeout: false } },
    'worker 41 was killed by SIGKILL: by somebody, or by the machine for want of memory',
  ],
  ['an exit code', { status: { code: 7, timeout: false } }, 'worker 41 ended with exit code 7'],
  ['a failed boot', { status: { code: 3, timeout: false } }, 'worker 41 ended with exit code 3: its code did not boot'],
  ['an end in order', { status: { code: 0, timeout: false } }, null],
  ['a status goes before silence', { silent: true, status: { code: 0, timeout: false } }, null],
])('%s', (_, seen, words) => expect(explainExit({ ...nothing, ...seen })?.words ?? null).toBe(words));

const process = (pid: number, startTicks = pid) => ({ pid, ppid: 8, startTicks, argv: ['gunicorn'] });
const service = (...workers: number[]): FoundService => ({
  master: process(8),
  workers: workers.map((pid) => process(pid)),
  supervisor: 'runit',
  starter: null,
  folder: null,
  listener: null,
  portSource: null,
  worker: null,
});
// Pids above what Linux gives out, so that no real process is read.
const [A, B, C, D] = [10_000_001, 10_000_002, 10_000_003, 10_000_004] as const;

function watch() {
  let now = 0;
  let kills = 0;
  const exits = new ExitWatch({ self: ['true'], now: () => now, memory: () => ({ kills, limit: 2 ** 29 }) });
  return {
    exits,
    look: (...workers: number[]) => exits.look(service(...workers), null),
    wait: (ms: number) => (now += ms),
    kill: () => (kills += 1),
    told: () => exits.recent.map(({ pid, cause }) => [pid, cause]),
  };
}

test('a worker that is gone is told, with the kernel’s count of kills', () => {
  const { look, kill, told } = watch();
  look(A, B);
  kill();
  look(B, C);
  expect(told()).toEqual([[A, 'memory']]);
  look(B, C);
  expect(told()).toHaveLength(1);
});

test('a status that comes before or after the look that misses the worker', () => {
  const { exits, look, wait, told } = watch();
  look(A, B);
  exits.tell(A, { signal: 'SIGSEGV', timeout: false });
  look(B);
  expect(told()).toEqual([[A, 'signal']]);
  wait(10_000);
  look(B, C);
  wait(10_000);
  look(B);
  expect(told()).toEqual([[A, 'signal']]); // its status may be on the way
  wait(1_000);
  look(B);
  expect(told()).toEqual([
    [A, 'signal'],
    [C, 'unknown'],
  ]);
  exits.tell(C, { code: 0, timeout: false });
  expect(told()).toEqual([[A, 'signal']]);
});

test('a worker that came and went between two looks', () => {
  const { exits, look, told } = watch();
  look(A);
  exits.tell(B, { code: 3, timeout: false });
  look(A);
  expect(told()).toEqual([[B, 'code']]);
});

test('the kernel’s count goes to a worker that came and went between two looks', () => {
  const { exits, look, wait, kill, told } = watch();
  look(A);
  kill();
  exits.tell(B, { signal: 'SIGKILL', timeout: false });
  look(A);
  wait(1_000);
  look(A);
  expect(told()).toEqual([[B, 'memory']]);
});

test('of two kills that the kernel has counted the second is seen later', () => {
  const { look, wait, kill, told } = watch();
  look(A, B);
  kill();
  kill();
  look(B);
  look();
  wait(1_000);
  look();
  expect(told()).toEqual([
    [A, 'memory'],
    [B, 'memory'],
  ]);
});

test('what a reload ends is none, and neither is what somebody replaced: the new ones come first', () => {
  const { exits, look, wait, told } = watch();
  look(A);
  exits.retire();
  look(A, B);
  look(B);
  exits.tell(A, { signal: 'SIGKILL', timeout: false });
  wait(60_000);
  look(B, C);
  wait(1_000);
  look(C);
  wait(60_000);
  look(C, D);
  wait(60_000);
  look(A, B); // both at once
  wait(60_000);
  look(A, B);
  expect(told()).toEqual([]);
});

test('what was to end and lives on is watched again', () => {
  const { exits, look, wait, told } = watch();
  look(A);
  exits.retire();
  wait(200_000);
  look(A);
  look();
  wait(1_000);
  look();
  expect(told()).toEqual([[A, 'unknown']]);
});

test('what the master ended is none, even where a look still shows it', () => {
  const { exits, look, wait, told } = watch();
  look(A, B);
  exits.ended(A);
  look(A, B);
  look(B);
  wait(60_000);
  look(B);
  expect(told()).toEqual([]);
});

test('a worker that is gone only after the kernel has counted its kill', () => {
  const { look, kill, wait, told } = watch();
  look(A, B);
  kill();
  look(A, B);
  look(B);
  wait(1_000);
  look(B);
  expect(told()).toEqual([[A, 'memory']]);
});

test('a process that nothing is known of', () => {
  const { look, kill, wait, told } = watch();
  look(A);
  kill();
  look(A);
  wait(1_000);
  look(A);
  look(A);
  expect(told()).toEqual([[null, 'memory']]);
});
