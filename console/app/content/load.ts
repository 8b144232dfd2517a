/** The load dialog: how often and how long, and what came of it. */
import { isLoadGood } from '../../../shared/core/requests.ts';
import { P95_TAKEN, replicaLines, replicasAfter } from '../../text/replicas.ts';
import { describeLoad } from '../../text/requests.ts';
import { PROPOSED } from '../asking.ts';
import { elapsed, spinner } from '../format.ts';
import { span, wrap, wrapWords, type Row } from '../rows.ts';
import { FIELDS, type Load } from '../state.ts';
import { troubleRows } from './undo.ts';

const NAMES = { rate: 'requests a second', seconds: 'for so many seconds' } as const;

export function loadRows(load: Load, now: number, columns: number): Row[] {
  const { running, done, trouble } = load;
  const fields = FIELDS.map((field): Row => {
    const isIt = field === load.field && running === null;
    const text = load[field];
    return [
      span(isIt ? ' ▸ ' : '   ', 'accent'),
      span(NAMES[field].padEnd(22), isIt ? 'strong' : 'dim'),
      text === '' ? span(String(PROPOSED[field]), 'dim') : span(text),
      ...(isIt ? [span('▏', 'accent')] : []),
    ];
  });
  return [...fields, [], ...below()];

  function below(): Row[] {
    if (trouble !== null) return troubleRows(trouble, columns);
    if (running !== null) {
      const { since, rate, seconds } = running;
      const text = `asking ${rate} times a second for ${seconds} s … ${elapsed(now - since)}`;
      return [[span(` ${spinner(since, now)} `, 'accent'), span(text)]];
    }
    if (done === null) return words(ADVICE, columns, 'dim');
    const { rate, result } = done;
    const good = isLoadGood(result);
    const [first = '', ...rest] = describeLoad(result, rate).split('\n');
    const needed = replicasAfter(rate, result);
    return [
      ...wrapWords(first, columns - 4).map((row, index): Row => [
        span(index === 0 ? (good ? ' ✓ ' : ' ✗ ') : '   ', good ? 'good' : 'bad'),
        span(row, 'strong'),
      ]),
      ...rest.flatMap((line) => words(line.trim(), columns)),
      ...(needed === null ? [] : [[], ...words(P95_TAKEN, columns, 'dim')]),
      ...(needed === null ? [] : replicaLines(needed)).flatMap((line) =>
        wrap(line, columns - 4).map((row): Row => [span('   '), span(row)]),
      ),
    ];
  }
}

const ADVICE =
  'The sample, or the last good request, goes to the service at that rate, whatever the answers do. What comes of it: how long answers take, how many fail, and how many replicas that rate needs in Azure.';

const words = (text: string, columns: number, tone?: 'dim'): Row[] =>
  wrapWords(text, columns - 4).map((row): Row => [span('   '), span(row, tone)]);
