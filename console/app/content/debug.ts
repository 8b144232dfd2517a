/** The Debug pane: where the debugger is to be found, and what it does. */
import type { ServiceState } from '../../../shared/core/service.ts';
import type { ListenView } from '../../engine/view.ts';
import { offer } from '../../text/debug.ts';
import { span, wrap, wrapWords, type Row, type Tone } from '../rows.ts';
import type { State } from '../state.ts';

export function debugRows({ view, now }: State, columns: number): Row[] {
  const debug = view?.debug ?? null;
  const listen = view?.listen ?? null;
  const state = view?.service?.debugger ?? null;
  const fact = (name: string, text: string, tone?: Tone): Row[] =>
    wrap(text, columns - 14).map((row, index): Row => [
      span(index === 0 ? ` ${name.padEnd(11)}` : '            ', 'dim'),
      span(row, tone),
    ]);
  if (listen !== null) return listenRows(listen, fact, columns);
  if (debug === null) return adviceRows(view?.service?.way ?? null, columns);
  const { port, launch, trouble, stopped } = debug;
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
  rows.push(...fact('port', `127.0.0.1:${port}`, 'accent'), ...editorRows({ launch, trouble }, fact));
  const clients = state?.clients ?? 0;
  const held = state?.waitsUntil ?? null;
  const [doing, tone]: readonly [string, Tone] =
    held !== null
      ? [
          `is held before its import until the editor comes, ${Math.max(0, Math.round((held - now) / 1000))} s more`,
          'warn',
        ]
      : stopped !== null
        ? [`stands in the debugger (${stopped}); it is not ended for that`, 'warn']
        : clients > 0
          ? ['runs, with a debugger attached', 'good']
          : ['runs; no debugger has come yet', 'dim'];
  rows.push(...fact('code', doing, tone), []);
  const offered = state === null ? null : offer(state);
  for (const text of ['It follows the worker over reloads. d turns it off.', ...(offered === null ? [] : [offered])]) {
    rows.push(...dimRows(text, columns));
  }
  return rows;
}

type Fact = (name: string, text: string, tone?: Tone) => Row[];

const editorRows = ({ launch, trouble }: Pick<ListenView, 'launch' | 'trouble'>, fact: Fact): Row[] => [
  ...(launch === null ? [] : [...fact('VS Code', `F5 on “${launch.name}”`, 'strong'), ...fact('', launch.file)]),
  ...(trouble === null ? [] : fact('launch.json', trouble, 'bad')),
];

const WORKERS: Readonly<Record<ListenView['worker'], readonly [string, Tone]>> = {
  none: ['none has dialled yet: each that starts from now on does', 'dim'],
  waits: ['one has dialled and waits for the editor, 30 s at most: F5', 'warn'],
  debugged: ['the editor has it', 'good'],
  'let go': ['no editor came: it goes on without a debugger', 'bad'],
};

function listenRows({ port, launch, trouble, worker }: ListenView, fact: Fact, columns: number): Row[] {
  return [
    ...fact('worker', ...WORKERS[worker]),
    ...fact('port', `${port} of the container leads to ${port} of this machine (AZUREML_DEBUG_PORT)`, 'accent'),
    ...editorRows({ launch, trouble }, fact),
    [],
    ...dimRows(
      'F5 first, then r or a save: before new code serves it answers the last good request, which stands at your breakpoints, too. l ends it.',
      columns,
    ),
  ];
}

const dimRows = (text: string, columns: number): Row[] =>
  wrapWords(text, columns - 4).map((row): Row => [span('   '), span(row, 'dim')]);

const adviceRows = (way: ServiceState['way'] | null, columns: number): Row[] =>
  [
    'Press d: a debugger listens in the serving worker, without a restart and without a rebuild. Its port is on this machine, and .vscode/launch.json leads there.',
    way === null || way.kind === 'candidate'
      ? 'Press w for breakpoints in init(): the code on disk is booted once more, and held before its import until the editor has come, 30 s at most.'
      : `Code cannot be held before its import for breakpoints in init()${way.reason === undefined ? '' : `: ${way.reason}`}.`,
    'Press l where AZUREML_DEBUG_PORT is set: the service’s workers dial out, and find the editor of this machine.',
    'Press i for a Python prompt in a fork of the worker: the model is loaded, and the service does not notice.',
  ].flatMap((text) => [...dimRows(text, columns), []]);
