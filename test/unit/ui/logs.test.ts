import { expect, it } from 'vitest';
import {
  appendLogs,
  filterLogs,
  linesBelow,
  LOG_LINES,
  logRows,
  NO_LOGS,
  scrollLogs,
  type Logs,
} from '../../../console/app/logs.ts';

const line = (text: string) => ({ stream: 'stdout', text, at: 0 }) as const;
const lines = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => line(`line ${from + index}`));
const shownBy = (logs: Logs, rows: number, columns = 80) =>
  logRows(logs, rows, columns).map((row) =>
    row
      .map(({ text }) => text)
      .join('')
      .trim(),
  );

it('follows the newest lines', () => {
  const logs = appendLogs(appendLogs(NO_LOGS, lines(0, 5)), lines(5, 9));
  expect(shownBy(logs, 3)).toEqual(['line 6', 'line 7', 'line 8']);
  expect(shownBy(logs, 20)).toHaveLength(9);
});

it('keeps the newest 10,000', () => {
  let logs = appendLogs(NO_LOGS, lines(0, LOG_LINES - 1));
  logs = appendLogs(logs, lines(LOG_LINES - 1, LOG_LINES + 5));
  expect(logs.entries).toHaveLength(LOG_LINES);
  expect(logs.entries[0]?.text).toBe('line 5');
  expect(appendLogs(logs, lines(0, 3 * LOG_LINES)).entries).toHaveLength(LOG_LINES);
});

it('stays where the reader is while lines come, and follows again from the end', () => {
  let logs = scrollLogs(appendLogs(NO_LOGS, lines(0, 50)), -10, 5);
  expect(shownBy(logs, 5).at(-1)).toBe('line 39');
  logs = appendLogs(logs, lines(50, 60));
  expect(shownBy(logs, 5).at(-1)).toBe('line 39');
  expect(linesBelow(logs)).toBe(20);
  expect(shownBy(scrollLogs(logs, -Infinity, 5), 5)[0]).toBe('line 0');
  logs = scrollLogs(logs, Infinity, 5);
  expect(logs.bottom).toBeNull();
  expect(shownBy(appendLogs(logs, lines(60, 61)), 5).at(-1)).toBe('line 60');
});

it('holds on to what is left when the reader’s place has gone', () => {
  const logs = scrollLogs(appendLogs(NO_LOGS, lines(0, 100)), -90, 5);
  const later = appendLogs(logs, lines(100, 100 + LOG_LINES));
  expect(shownBy(later, 5)).toEqual(['line 100', 'line 101', 'line 102', 'line 103', 'line 104']);
});

it('does not scroll a log that fits', () => {
  expect(scrollLogs(appendLogs(NO_LOGS, lines(0, 3)), -1, 5).bottom).toBeNull();
});

it('filters what there is and what comes, in any case', () => {
  let logs = filterLogs(appendLogs(NO_LOGS, [line('an Error'), line('fine')]), 'error');
  logs = appendLogs(logs, [line('another ERROR'), line('fine too')]);
  expect(shownBy(logs, 5)).toEqual(['an Error', 'another ERROR']);
  expect(shownBy(filterLogs(logs, ''), 5)).toHaveLength(4);
});

it('wraps what is too wide and marks stderr without colour', () => {
  const logs = appendLogs(NO_LOGS, [{ stream: 'stderr', text: 'abcdefgh', at: 0 }]);
  expect(shownBy(logs, 5, 6)).toEqual(['▏abcd', '▏efgh']);
  expect(shownBy(logs, 1, 6)).toEqual(['▏efgh']);
});

it('tells the parts of a traceback', () => {
  const logs = appendLogs(NO_LOGS, [
    line('2026 E [41] azmlinfsrv - Exception: Traceback (most recent call last):'),
    line('  File "score.py", line 3, in run'),
    line('    x'),
    line('ValueError: no'),
    line('after'),
  ]);
  expect(logs.entries.map(({ part }) => part)).toEqual(['frame', 'frame', 'frame', 'error', 'text']);
});

it('leaves Drydock’s own requests out', () => {
  const logs = appendLogs(NO_LOGS, [
    line('127.0.0.1 - - [x] "GET / HTTP/1.1" 200 7 "-" "drydock"'),
    line('127.0.0.1 - - [x] "GET / HTTP/1.1" 200 7 "-" "drydock/0.1.0"'),
    line('127.0.0.1 - - [x] "GET /?drydock HTTP/1.1" 200 7 "-" "curl"'),
  ]);
  expect(logs.entries).toHaveLength(1);
});

it('marks what is known of a line, and keeps the newest explanation', () => {
  let logs = appendLogs(NO_LOGS, [line('well'), line("NameError: name 'np' is not defined"), line('and on')]);
  expect(logs.said).toMatchObject({ rule: 'name-error', mend: 'add the line `import numpy as np`' });
  expect(shownBy(logs, 3)).toEqual(['well', "▸NameError: name 'np' is not defined", 'and on']);
  logs = appendLogs(logs, [line('[ERROR] WORKER TIMEOUT (pid:41)')]);
  expect(logs.said?.rule).toBe('worker-timeout');
  expect(appendLogs(logs, [line('drydock: held: No module named x')]).said?.rule).toBe('worker-timeout');
});

it('knows a traceback’s last line by what stands above it, however it is cut into batches', () => {
  let logs = appendLogs(NO_LOGS, [
    line('Traceback (most recent call last):'),
    line('  File "/app/score.py", line 3, in init'),
  ]);
  logs = appendLogs(logs, [line('    folder = os.environ["MODEL"]')]);
  logs = appendLogs(logs, [line("KeyError: 'MODEL'")]);
  expect(logs.said?.rule).toBe('environment-variable');
  expect(appendLogs(NO_LOGS, [line("KeyError: 'MODEL'")]).said).toBeNull();
});
