import { describe, expect, test } from 'vitest';
import { findMaster, orphansOf, processKey, workersOf } from '../../../agent/service/find.ts';
import type { Process } from '../../../agent/service/procfs.ts';

const table = (...rows: [pid: number, ppid: number, line: string][]): Map<number, Process> =>
  new Map(rows.map(([pid, ppid, line]) => [pid, { pid, ppid, startTicks: pid * 10, argv: line.split(' ') }]));

const SERVER = '/usr/bin/python3 /usr/local/bin/azmlinfsrv --port 5001';
const nobody = new Set<string>();
const pids = (processes: readonly Process[]) => processes.map(({ pid }) => pid);

describe('the master', () => {
  test('is the one whose parent is no copy of it; its workers are its copies', () => {
    const all = table(
      [1, 0, 'runsvdir /var/runit'],
      [7, 1, 'runsv gunicorn'],
      [8, 7, SERVER],
      [9, 8, SERVER],
      [12, 9, SERVER],
    );
    const master = findMaster(all, nobody);
    expect(master?.pid).toBe(8);
    expect(master && pids(workersOf(master, all))).toEqual([9]);
  });

  test('is no worker that lost its master', () => {
    const all = table([1, 0, 'runsvdir /var/runit'], [7, 1, 'runsv gunicorn'], [9, 1, SERVER]);
    const [orphan] = [...all.values()].filter(({ pid }) => pid === 9);
    const known = new Set(orphan === undefined ? [] : [processKey(orphan)]);
    expect(findMaster(all, known)).toBeNull();
    expect(pids(orphansOf(all, known))).toEqual([9]);
  });

  test('is found behind `conda run`, whose own command line names the server too', () => {
    const all = table(
      [1, 0, '/opt/conda/bin/python /opt/conda/bin/conda run -n inf gunicorn app:app'],
      [6, 1, 'python /opt/conda/envs/inf/bin/gunicorn app:app'],
    );
    expect(findMaster(all, nobody)?.pid).toBe(6);
  });

  test('is found by its title where setproctitle is installed', () => {
    const all: Map<number, Process> = new Map(
      [
        { pid: 1, ppid: 0, startTicks: 1, argv: ['gunicorn: master [entry:app]'] },
        { pid: 5, ppid: 1, startTicks: 2, argv: ['gunicorn: worker [entry:app]'] },
      ].map((process) => [process.pid, process]),
    );
    const master = findMaster(all, nobody);
    expect(master?.pid).toBe(1);
    expect(master && pids(workersOf(master, all))).toEqual([5]);
  });
});
