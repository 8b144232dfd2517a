/** The container's log as lines, from its start and on, bounded; a restart goes on where it stopped. */
import type { Target } from '../place/place.ts';
import { LineSplitter } from './lines.ts';
import type { LogLine } from './view.ts';

/** Lines of history that are read at first. */
const TAIL = 2_000;
/** Lines that arrive in between are handed over together. Milliseconds. */
const BATCH_MS = 33;
/** For a log that is not followed. Milliseconds. */
const LOG_MS = 30_000;

export async function readLog(
  target: Target,
  signal: AbortSignal,
  onLines: (lines: readonly LogLine[]) => void,
): Promise<void> {
  let batch: LogLine[] = [];
  let timer: NodeJS.Timeout | undefined;
  const flush = () => {
    timer = undefined;
    const lines = batch;
    batch = [];
    if (lines.length > 0) onLines(lines);
  };
  const splitters = { stdout: new LineSplitter(), stderr: new LineSplitter() };
  const add = (stream: 'stdout' | 'stderr', lines: readonly string[]) => {
    const at = Date.now();
    for (const text of lines) batch.push({ stream, text, at });
    timer ??= setTimeout(flush, BATCH_MS);
  };
  try {
    for await (const { stream, data } of target.logs({ follow: true, signal, tail: TAIL }))
      add(stream, splitters[stream].push(data));
    for (const stream of ['stdout', 'stderr'] as const) add(stream, splitters[stream].end());
  } finally {
    clearTimeout(timer);
    flush();
  }
}

/** The last `tail` lines of what a container printed up to now, in the order in which they came. */
export async function lastLines(target: Target, tail: number): Promise<string[]> {
  const splitters = { stdout: new LineSplitter(), stderr: new LineSplitter() };
  const lines: string[] = [];
  for await (const { stream, data } of target.logs({ follow: false, signal: AbortSignal.timeout(LOG_MS), tail })) {
    lines.push(...splitters[stream].push(data));
  }
  return [...lines, ...splitters.stdout.end(), ...splitters.stderr.end()];
}
