/** The lines above the footer: what is waited for, what just happened, or how the last reload went. */
import type { ReloadResult, ServiceState } from '../../../shared/core/service.ts';
import { describeFailure } from '../../text/reload.ts';
import { clockTime, duration, elapsed, spinner } from '../format.ts';
import { placeOf } from '../find.ts';
import { span, wrapWords, type Row, type Tone } from '../rows.ts';
import type { State } from '../state.ts';

export function messageRows(state: State, columns: number, rows: number): Row[] {
  const { typing, now, notice, reload } = state;
  const { dialog, find } = state;
  const place = dialog === null || find === null || find.text === '' ? [] : [span(`   ${placeOf(state, find)}`, 'dim')];
  if (typing !== null) return [[span(' / ', 'key'), span(typing), span('▏', 'accent'), ...place]];
  if (place.length > 0) return [[span(' / ', 'key'), span(find?.text ?? ''), ...place]];
  const wait = waitOf(state);
  if (wait !== null) {
    // What a key has just done is not hidden by the reload that it brought about.
    const said = notice !== null && rows > 1 ? lines(MARKS[notice.tone], notice.tone, notice.text, columns, 1) : [];
    const text = `${wait.what} … ${elapsed(now - wait.since)}`;
    return [...said, ...lines(spinner(wait.since, now), 'accent', text, columns, rows - said.length)];
  }
  // A notice that stays gives way to a newer reload; one that goes by itself does not need to.
  if (notice !== null && (notice.until !== null || reload === null || notice.at >= reload.at)) {
    return lines(MARKS[notice.tone], notice.tone, notice.text, columns, rows);
  }
  const held = state.view?.service?.held ?? null;
  if (held !== null && (reload === null || reload.ok)) {
    const text = `${describeFailure(held)}. The service is held for the mend: it answers 503 with the traceback.`;
    return lines('✗', 'bad', text, columns, rows);
  }
  if (reload !== null) return reloadRows(reload, state.view?.service ?? null, columns, rows);
  const reason = state.view?.service?.cannotReload;
  return reason === undefined ? [] : lines('!', 'warn', `this service cannot be reloaded: ${reason}`, columns, rows);
}

const MARKS = { good: '✓', bad: '✗', warn: '!' } as const;

function waitOf({ shell, reloadingSince, view, load, replays, dialog }: State): { what: string; since: number } | null {
  if (shell !== null) return { what: 'opening a shell (Ctrl-C cancels)', since: shell.since };
  if (reloadingSince !== null) return { what: PHASES[view?.service?.phase ?? 'idle'], since: reloadingSince };
  const busy = view?.busy ?? null;
  if (busy !== null) return busy;
  const { running } = load;
  if (running !== null && dialog?.kind !== 'load')
    return { what: `asking the service ${running.rate} times a second for ${running.seconds} s`, since: running.since };
  if (replays !== null && replays.since !== null && dialog?.kind !== 'replays')
    return { what: `asking again all requests that are known (${replays.lines.length})`, since: replays.since };
  return null;
}

const PHASES: Readonly<Record<ServiceState['phase'], string>> = {
  idle: 'reloading',
  checking: 'trying the new code; the old code goes on',
  switching: 'the new code is well: switching workers',
  answering: 'waiting for the new code’s first answer',
};

function reloadRows(reload: ReloadResult, service: ServiceState | null, columns: number, rows: number): Row[] {
  if (reload.ok) {
    const changed = changeOf(reload);
    const text = `reloaded in ${duration(reload.ms)}: ${stagesOf(reload)}`;
    return lines('✓', 'good', changed === null ? text : `${text}. ${changed}`, columns, rows);
  }
  if (reload.needs !== undefined) {
    const text = `The new code is good; ${reload.error?.message ?? ''}. It serves after a new start of the container.`;
    return lines('!', 'warn', text, columns, rows);
  }
  const failure = reload.error === undefined ? `the reload failed at: ${reload.stage}` : describeFailure(reload.error);
  const since = service?.liveSince ?? null;
  const serving = since === null ? '' : `. Still serving the code of ${clockTime(since)}.`;
  return lines('✗', 'bad', failure + serving, columns, rows);
}

/** `checked 60 ms, switched 20 ms, answered 12 ms`: compilation, import and init() are one thing to the reader. */
function stagesOf({ stages }: ReloadResult): string {
  const sum = (names: readonly string[]) =>
    stages.filter(({ name }) => names.includes(name)).reduce((ms, stage) => ms + stage.ms, 0);
  const has = (name: string) => stages.some((stage) => stage.name === name);
  return [
    `checked ${duration(sum(['find', 'compile', 'import', 'init']))}`,
    ...(has('gate') ? [`answered the last good request ${duration(sum(['gate']))}`] : []),
    `switched ${duration(sum(['switch']))}`,
    ...(has('answer') ? [`answered ${duration(sum(['answer']))}`] : []),
  ].join(', ');
}

/** A status alone says little: many scripts answer 200 with the error in the body. */
function changeOf({ gate }: ReloadResult): string | null {
  if (gate?.before === undefined) return null;
  const { status, answer, before } = gate;
  if (status === before.status && answer === before.answer) return null;
  const short = (text: string) => text.trim().replaceAll(/\s+/g, ' ').slice(0, 60);
  return `Its answer to the last good request changed: ${short(before.answer)} → ${short(answer)}`;
}

function lines(mark: string, tone: Tone, text: string, columns: number, rows: number): Row[] {
  const wrapped = wrapWords(text, columns - 4);
  return wrapped.slice(0, rows).map((row, index) => {
    const more = index === rows - 1 && wrapped.length > rows;
    return [span(index === 0 ? ` ${mark} ` : '   ', tone), span(more ? `${row.slice(0, -1)}…` : row)];
  });
}
