/** Figures: samples of rivals taken in turn in one run, their medians and p95, and the ratio to the first of them. */
import { loadavg, cpus } from 'node:os';

export interface Series {
  readonly name: string;
  /** Milliseconds. */
  readonly samples: readonly number[];
}

export function quantile(samples: readonly number[], q: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1));
  return sorted[at] ?? NaN;
}

export const median = (samples: readonly number[]): number => quantile(samples, 0.5);
export const p95 = (samples: readonly number[]): number => quantile(samples, 0.95);

export interface Figure {
  readonly title: string;
  /** The first is the floor, or the bare alternative. */
  readonly series: readonly Series[];
  /** What the ratio is held against, in words. */
  readonly target: string;
}

/** A Markdown table, for the terminal and for docs/BENCHMARKS.md alike. */
export function table({ title, series, target }: Figure): string {
  const [floor] = series;
  const ratio = (value: number, base: number | undefined) =>
    base === undefined ? '' : `${(value / base).toFixed(2)} ×`;
  const rows = series.map(({ name, samples }) => {
    const [p50, tail] = [median(samples), p95(samples)];
    const over =
      name === floor?.name
        ? ['', '']
        : [ratio(p50, floor && median(floor.samples)), ratio(tail, floor && p95(floor.samples))];
    return `| ${[name, samples.length, p50.toFixed(1), tail.toFixed(1), ...over].join(' | ')} |`;
  });
  return [
    `### ${title}`,
    '',
    `Target: ${target}. Load ${loadavg()[0]?.toFixed(2) ?? '?'} on ${cpus().length} cores.`,
    '',
    '| | n | p50 ms | p95 ms | ratio p50 | ratio p95 |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return performance.now() - from;
}
