import { DrydockError } from '../../shared/core/errors.ts';
import { LineSplitter } from '../engine/lines.ts';
import { runImage } from '../engine/run.ts';
import type { Place } from '../place/place.ts';
import { openPlace } from './context.ts';
import type { Reporter } from './report.ts';

export interface RunFlags {
  readonly name: string;
  readonly port: number;
  /** Seconds. */
  readonly wait: number;
}

/** How often the service is asked whether it answers yet. Milliseconds. */
const ASK_MS = 200;

export async function run(reporter: Reporter, image: string, flags: RunFlags): Promise<number> {
  const place = await openPlace();
  const from = performance.now();
  try {
    const started = await runImage(place, { image, name: flags.name, port: flags.port });
    const healthUrl = started.scoreUrl === null ? null : new URL('/', started.scoreUrl).href;
    reporter.step(`${started.name} runs; waiting for its first answer …`);
    const stage = healthUrl === null ? 'started' : await untilAnswer(place, started.name, healthUrl, flags.wait);
    const ms = Math.round(performance.now() - from);
    const result = { ...started, healthUrl, stage, ms };
    if (stage === 'answered' || stage === 'started') {
      const where = started.scoreUrl === null ? '' : ` on ${started.scoreUrl}`;
      reporter.answer(
        result,
        `✓ ${started.name} serves${where} after ${ms} ms\n  next: drydock attach ${started.name}`,
      );
      return 0;
    }
    const log = await lastLines(place, started.name);
    const what = stage === 'exited' ? 'ended before it answered' : `did not answer within ${flags.wait} s`;
    reporter.answer({ ...result, log }, `✗ ${started.name} ${what}. Its last words:\n${log.join('\n')}`);
    return 1;
  } finally {
    await place.close();
  }
}

async function untilAnswer(
  place: Place,
  name: string,
  url: string,
  seconds: number,
): Promise<'answered' | 'exited' | 'timeout'> {
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) }).catch(() => null);
    if (answer?.ok === true) return 'answered';
    const found = (await place.list()).find((container) => container.name === name);
    if (found === undefined || found.state === 'exited' || found.state === 'dead') return 'exited';
    await new Promise((resolve) => setTimeout(resolve, ASK_MS));
  }
  return 'timeout';
}

async function lastLines(place: Place, name: string): Promise<string[]> {
  try {
    const target = await place.open(name, { stopped: true });
    const splitter = new LineSplitter();
    const lines: string[] = [];
    const options = { follow: false, signal: AbortSignal.timeout(5_000), tail: 40 };
    for await (const { data } of target.logs(options)) lines.push(...splitter.push(data));
    return [...lines, ...splitter.end()];
  } catch (error) {
    if (error instanceof DrydockError) return [error.message]; // gone already, with --rm
    throw error;
  }
}
