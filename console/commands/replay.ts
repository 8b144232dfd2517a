/** `drydock replay`: requests once more to the code that serves now, compared with what was answered before. */
import { DrydockError } from '../../shared/core/errors.ts';
import { isGood, type Exchange } from '../../shared/core/requests.ts';
import { publishedAt } from '../engine/ask.ts';
import { replayed, type Replayed } from '../engine/replay.ts';
import { describeDifferences, failureLines, headline, milliseconds } from '../text/requests.ts';
import { maskingOf, wishesOf, withLink, type ServiceFlags } from './context.ts';
import type { Reporter } from './report.ts';
import { unknown } from './requests.ts';

export interface ReplayFlags extends ServiceFlags {
  readonly all?: boolean;
  readonly tolerance: number;
  /** Seconds. */
  readonly timeout: number;
}

const ID = /^[0-9a-f]{8}$/;

export async function replay(reporter: Reporter, words: readonly string[], given: ReplayFlags): Promise<number> {
  const [ref, ids] = words[0] !== undefined && !ID.test(words[0]) ? [words[0], words.slice(1)] : [undefined, words];
  if (given.all === true && ids.length > 0) {
    throw new DrydockError('usage', '--all and IDs exclude each other.', {
      hint: 'drydock replay --all, or drydock replay ID …',
    });
  }
  return withLink(reporter, ref, given, async ({ container, link, flags }) => {
    const follow = { auto: false, ...(await wishesOf(flags)) };
    const { value: state } = await link.control.call('service.follow', follow);
    const reach = { peer: link.control, published: publishedAt({ container, agent: link.facts, service: state }) };
    const { requests } = (await link.control.call('requests.list', { watch: false })).value;
    const get = async (id: string): Promise<Exchange> => {
      const { exchange } = (await link.control.call('requests.get', { id })).value;
      if (exchange === null) throw unknown(id);
      return exchange;
    };
    const known = await Promise.all(requests.filter(({ source }) => source !== 'replay').map(({ id }) => get(id)));
    const wanted = given.all === true ? known : ids.length > 0 ? await Promise.all(ids.map(get)) : known.slice(-1);
    if (wanted.length === 0) {
      throw new DrydockError('usage', 'No request is known that could be sent again.', {
        hint: 'Send one first: drydock score --data FILE',
      });
    }
    let well = true;
    for await (const one of replayed(reach, wanted, known, {
      timeoutMs: given.timeout * 1000,
      tolerance: given.tolerance,
      ...maskingOf(flags),
    })) {
      well &&= one.ok;
      reporter.answer(one, describe(one));
    }
    return well ? 0 : 1;
  });
}

function describe({ ok, before, now, skipped, differences }: Replayed): string {
  if (now === null) return `! ${before.id}  ${headline(before)}: ${skipped ?? ''}`;
  const lines = [
    `${skipped !== undefined ? '!' : ok ? '✓' : '✗'} ${before.id}  ${headline(now)}, before ${before.status} in ${milliseconds(before.ms)}`,
  ];
  lines.push(...describeDifferences(differences).map((line) => `    ${line}`));
  if (skipped !== undefined) lines.push(`    ${skipped}`);
  if (isGood(now) && !isGood(before)) lines.push('    it failed before, and is good now');
  if (now.failure !== null) lines.push(...failureLines(now.failure, now.fresh).map((line) => `    ${line}`));
  return lines.join('\n');
}
