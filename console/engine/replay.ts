/** Sends captured requests once more, and compares with the last good answer to the same question. */
import { differences, type Comparing, type Difference } from '../../shared/core/difference.ts';
import { isGood, sameQuestion, type Exchange } from '../../shared/core/requests.ts';
import { textOf } from '../text/requests.ts';
import { ask, type Reach } from './ask.ts';
import { masked, type Masking } from './masked.ts';

export interface Replayed {
  /** It is answered well, and as before. */
  readonly ok: boolean;
  /** What it is compared with: the last good answer to the same question, else the one that was asked for. */
  readonly before: Exchange;
  /** Null where it could not be sent. */
  readonly now: Exchange | null;
  readonly differences: readonly Difference[];
  /** Why it was not sent, or the answers not compared. */
  readonly skipped?: string;
}

export interface ReplayOptions extends Masking {
  readonly timeoutMs: number;
  readonly tolerance: number;
}

/** Each question once, in the order of `wanted`, without secrets. `known` is where good answers are looked for. */
export async function* replayed(
  reach: Reach,
  wanted: readonly Exchange[],
  known: readonly Exchange[],
  { timeoutMs, tolerance, ...masking }: ReplayOptions,
): AsyncGenerator<Replayed> {
  const asked = new Set<string>();
  for (const one of wanted) {
    const question = sameQuestion(one);
    if (asked.has(question)) continue;
    asked.add(question);
    const before = known.findLast((other) => isGood(other) && sameQuestion(other) === question) ?? one;
    const shown = { before: masked(before, masking), differences: [] };
    if (one.cut) {
      yield { ...shown, ok: true, now: null, skipped: 'its body was too large to be kept' };
      continue;
    }
    const { method, path, query, headers, body } = one;
    const request = { method, path, query, headers, body };
    const { exchange: now, kept } = await ask(reach, request, { timeoutMs, source: 'replay' });
    await kept;
    const told = { ...shown, now: masked(now, masking) };
    const both = isGood(before) && isGood(now);
    if (both && (before.answerCut || now.answerCut)) {
      yield { ...told, ok: true, skipped: 'the answers are too large to be compared' };
      continue;
    }
    const found = both ? compared(before, now, { tolerance, ...masking }) : [];
    yield { ...told, ok: isGood(now) && found.length === 0, differences: found };
  }
}

function compared(before: Exchange, now: Exchange, comparing: Comparing): readonly Difference[] {
  if (before.answer === now.answer) return [];
  const [a, b] = [before, now].map(({ answer }) => Buffer.from(answer, 'base64')) as [Buffer, Buffer];
  const [was, is] = [textOf(a), textOf(b)];
  if (was !== null && is !== null) return differences(was, is, comparing);
  return [{ at: '$', before: `${a.length} bytes`, now: `${b.length} bytes, not the same` }];
}
