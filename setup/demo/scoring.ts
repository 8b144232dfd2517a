/** The scoring service as its clients see it. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Place } from '../../console/place/place.ts';

/** Milliseconds between two requests while an answer is awaited. */
const POLL_MS = 20;
const PATIENCE_MS = 120_000;

const REQUEST = '{"data": [[1,2,3,4,5,6,7,8,9,10],[10,9,8,7,6,5,4,3,2,1]]}';

/** The body of a 200 answer; throws on any other. */
export async function score(url: string): Promise<string> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: REQUEST,
    signal: AbortSignal.timeout(30_000),
  });
  const body = await response.text();
  if (response.status !== 200) throw new Error(`POST ${url} answered ${response.status}: ${body.slice(0, 300)}`);
  return body;
}

/** Asks until the answer fits; rejects when the container ends, or after two minutes with what was answered last. */
export async function scoreUntil(
  url: string,
  fits: (body: string) => boolean,
  container: { readonly place: Place; readonly id: string },
): Promise<string> {
  const deadline = performance.now() + PATIENCE_MS;
  for (let asked = 0; ; asked++) {
    const last = await score(url).then(
      (body) => ({ body, fits: fits(body) }),
      (error: unknown) => ({ body: error instanceof Error ? error.message : String(error), fits: false }),
    );
    if (last.fits) return last.body;
    if (asked % 50 === 49) await mustRun(container);
    if (performance.now() > deadline) throw new Error(`${url} does not answer as expected; last: ${last.body}`);
    await wait(POLL_MS);
  }
}

async function mustRun({ place, id }: { readonly place: Place; readonly id: string }): Promise<void> {
  const found = (await place.list()).find((container) => container.id === id);
  if (found?.state !== 'running') throw new Error(`The container ended: ${found?.status ?? 'it is gone'}.`);
}
