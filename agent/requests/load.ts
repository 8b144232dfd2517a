/**
 * Requests at a rate, whatever the answers do (an open loop): a service that falls behind is seen to. They are sent from
 * inside the container, also where its port is published: replicas are reckoned from the service's own time, the same
 * wherever the engine is, and not from that of a proxy, a tunnel or the machine of whoever asks.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadResult, LoadWish } from '../../shared/core/requests.ts';
import { send } from '../../shared/link/http.ts';
import type { Asked } from '../service/health.ts';

/** More are not begun while so many are unanswered: they would measure the queue of this machine's sockets. */
const MAX_OPEN = 1_000;
const TIMEOUT_MS = 60_000;

export async function load(asked: Asked, wish: LoadWish, signal: AbortSignal): Promise<LoadResult> {
  const { rate, seconds, method, path, query, headers } = wish;
  const body = Buffer.from(wish.body, 'base64');
  const sent = {
    method,
    path: query === '' ? path : `${path}?${query}`,
    headers,
    body,
    timeoutMs: TIMEOUT_MS,
    keeps: 0,
  };
  const statuses = new Map<string, number>();
  const count = (status: number): void => void statuses.set(String(status), (statuses.get(String(status)) ?? 0) + 1);
  const taken: number[] = [];
  const runs: number[] = [];
  const open = new Set<Promise<void>>();
  const from = performance.now();
  const total = Math.ceil(rate * seconds);
  for (let index = 0; index < total && !signal.aborted; index += 1) {
    const due = from + (index * 1000) / rate;
    const wait = due - performance.now();
    if (wait > 0) await sleep(wait);
    while (open.size >= MAX_OPEN) await Promise.race(open);
    const one = send(asked.listener, sent).then((outcome) => {
      open.delete(one);
      if ('trouble' in outcome) return count(0);
      count(outcome.status);
      taken.push(performance.now() - due);
      const run = Number(outcome.headers['x-ms-run-fn-exec-ms'] ?? NaN);
      if (!Number.isNaN(run)) runs.push(run);
    });
    open.add(one);
  }
  await Promise.all(open);
  const passed = (performance.now() - from) / 1000;
  taken.sort((a, b) => a - b);
  runs.sort((a, b) => a - b);
  const at = (sorted: readonly number[], part: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
  return {
    sent: [...statuses.values()].reduce((sum, n) => sum + n, 0),
    achieved: taken.length / passed,
    statuses: Object.fromEntries(statuses),
    ms:
      taken.length === 0
        ? null
        : { p50: at(taken, 0.5), p90: at(taken, 0.9), p95: at(taken, 0.95), p99: at(taken, 0.99), max: at(taken, 1) },
    runMs: runs.length === 0 ? null : at(runs, 0.5),
  };
}
