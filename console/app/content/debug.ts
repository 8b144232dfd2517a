/** The Debug pane: where the debugger is to be found, and what it does. */
import { offer } from '../../text/debug.ts';
import { span, wrap, wrapWords, type Row, type Tone } from '../rows.ts';
import type { State } from '../state.ts';

export function debugRows({ view, now }: State, columns: number): Row[] {
  const debug = view?.debug ?? null;
  const state = view?.service?.debugger ?? null;
  if (debug === null) return adviceRows(columns);
  const { port, launch, trouble, stopped } = debug;
  const fact = (name: string, text: string, tone?: Tone): Row[] =>
    wrap(text, columns - 14).map((row, index): Row => [
      span(index === 0 ? ` ${name.padEnd(11)}` : '            ', 'dim'),
      span(row, tone),
    ]);
  const listens = state?.pid ?? null;
  const rows: Row[] = [];
  if (listens !== null)
    rows.push(
      ...fact(
        'worker',
        `${listens}, debugpy ${state?.version ?? ''} (${state?.own === true ? 'the image’s' : 'Drydock’s'})`,
        'good',
      ),
    );
  else if (state !== null && state.trouble !== null)
    rows.push(...fact('worker', `no debugger listens: ${state.trouble}`, 'bad'));
  else rows.push(...fact('worker', 'asking the serving worker …', 'warn'));
  if (state !== null && state.waitsUntil !== null) {
    rows.push(
      ...fact(
        'held',
        `the code waits for a debugger, ${Math.max(0, Math.round((state.waitsUntil - now) / 1000))} s more`,
        'warn',
      ),
    );
  }
  rows.push(...fact('port', `127.0.0.1:${port}`, 'accent'));
  if (launch !== null) rows.push(...fact('VS Code', `F5 on “${launch.name}”`, 'strong'), ...fact('', launch.file));
  if (trouble !== null) rows.push(...fact('launch.json', trouble, 'bad'));
  const clients = state?.clients ?? 0;
  const [doing, tone]: readonly [string, Tone] =
    stopped !== null
      ? [`stands in the debugger (${stopped}); it is not ended for that`, 'warn']
      : clients > 0
        ? ['runs, with a debugger attached', 'good']
        : ['runs; no debugger has come yet', 'dim'];
  rows.push(...fact('code', doing, tone), []);
  const offered = state === null ? null : offer(state);
  for (const text of ['It follows the worker over reloads. d turns it off.', ...(offered === null ? [] : [offered])]) {
    rows.push(...wrapWords(text, columns - 4).map((row): Row => [span('   '), span(row, 'dim')]));
  }
  return rows;
}

const adviceRows = (columns: number): Row[] =>
  [
    'Press d: a debugger listens in the serving worker, without a restart and without a rebuild. Its port is on this machine, and .vscode/launch.json leads there.',
    'Breakpoints in init() need the code to be held before its import: drydock debug --wait.',
    'Press i for a Python prompt in a fork of the worker: the model is loaded, and the service does not notice.',
  ].flatMap((text) => [...wrapWords(text, columns - 4).map((row): Row => [span('   '), span(row, 'dim')]), []]);
