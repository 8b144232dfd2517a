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

export interface Figure {
  readonly title: string;
  /** The first is the floor, or the bare alternative. */
  readonly series: readonly Series[];
  /** What the ratio is held against, in words. */
  readonly target: string;
  /** What is no series of samples. */
  readonly text?: string;
  /** Which percentile is shown beside the median; 95 unless told. */
  readonly tail?: 95 | 99;
}

/** A Markdown table, for the terminal and for docs/BENCHMARKS.md alike. */
export function table({ title, series, target, text, tail = 95 }: Figure): string {
  const [floor] = series;
  const highOf = (samples: readonly number[]) => quantile(samples, tail / 100);
  const head = `| | n | p50 ms | p${tail} ms | ratio p50 | ratio p${tail} |`;
  const ratio = (value: number, base: number | undefined) =>
    base === undefined ? '' : `${(value / base).toFixed(2)} ×`;
  const rows = series.map(({ name, samples }) => {
    const [p50, high] = [median(samples), highOf(samples)];
    const over =
      name === floor?.name
        ? ['', '']
        : [ratio(p50, floor && median(floor.samples)), ratio(high, floor && highOf(floor.samples))];
    return `| ${[name, samples.length, p50.toFixed(1), high.toFixed(1), ...over].join(' | ')} |`;
  });
  return [
    `### ${title}`,
    '',
    `Target: ${target}. Load ${loadavg()[0]?.toFixed(2) ?? '?'} on ${cpus().length} cores.`,
    '',
    ...(series.length === 0 ? [] : [head, '|---|---|---|---|---|---|', ...rows, '']),
    ...(text === undefined ? [] : [text, '']),
  ].join('\n');
}

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return performance.now() - from;
}
