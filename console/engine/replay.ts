/** Sends captured requests once more, and compares with the last good answer to the same question. */
import { differences, type Difference } from '../../shared/core/difference.ts';
import { isGood, sameQuestion, type Exchange } from '../../shared/core/requests.ts';
import type { Peer } from '../../shared/link/peer.ts';

export interface Replayed {
  /** It is answered well, and as before. */
  readonly ok: boolean;
  /** What it is compared with: the last good answer to the same question, else the one that was asked for. */
  readonly before: Exchange;
  /** Null where it could not be sent. */
  readonly now: Exchange | null;
  readonly differences: readonly Difference[];
  readonly skipped?: string;
}

export interface ReplayOptions {
  readonly timeoutMs: number;
  readonly tolerance: number;
}

/** Each question once, in the order of `wanted`. `known` is where good answers are looked for. */
export async function* replayed(
  peer: Peer,
  wanted: readonly Exchange[],
  known: readonly Exchange[],
  { timeoutMs, tolerance }: ReplayOptions,
): AsyncGenerator<Replayed> {
  const asked = new Set<string>();
  for (const one of wanted) {
    const question = sameQuestion(one);
    if (asked.has(question)) continue;
    asked.add(question);
    const before = known.findLast((other) => isGood(other) && sameQuestion(other) === question) ?? one;
    if (one.cut) {
      yield { ok: true, before, now: null, differences: [], skipped: 'its body was too large to be kept' };
      continue;
    }
    const { method, path, query, headers, body } = one;
    const request = { method, path, query, headers, body };
    const { value: now } = await peer.call('requests.send', { request, timeoutMs, source: 'replay' });
    const comparable = isGood(before) && isGood(now) && !before.answerCut && !now.answerCut;
    const found = comparable ? differences(text(before), text(now), tolerance) : [];
    yield { ok: isGood(now) && found.length === 0, before, now, differences: found };
  }
}

const text = ({ answer }: Exchange): string => Buffer.from(answer, 'base64').toString('utf8');
