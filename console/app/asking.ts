/** What asks the service often: all known requests once more, and a load. Both go on when their dialog is left. */
import { isLoadGood, type LoadResult } from '../../shared/core/requests.ts';
import type { ReplayLine } from '../engine/view.ts';
import { milliseconds } from '../text/requests.ts';
import { count } from './format.ts';
import type { Message } from './message.ts';
import { FIELDS, type Load, type State } from './state.ts';
import { say, trouble, type Step } from './step.ts';

/** What is sent where nothing is typed. */
export const PROPOSED = { rate: 5, seconds: 10 } as const;

const MOST = { rate: 100_000, seconds: 86_400 } as const;

/** Shows what goes on, or what came of it and was not read; else begins. */
export function replayAll(state: State): Step {
  const open = { ...state, dialog: { kind: 'replays', scroll: 0 } } as const;
  if (state.replays !== null) return [open, []];
  return [{ ...open, replays: { since: state.now, lines: [], trouble: null } }, [{ do: 'replay-all' }]];
}

export function replayArrived(state: State, line: ReplayLine): State {
  const { replays } = state;
  return replays === null ? state : { ...state, replays: { ...replays, lines: [...replays.lines, line] } };
}

export function openLoad(state: State): State {
  return { ...state, dialog: { kind: 'load', scroll: 0 } };
}

/** A letter into the field; only those of a number. */
export function typeLoad(state: State, letter: string): State {
  return /^[\d.]$/.test(letter) ? withField(state, (text) => (text + letter).slice(0, 8)) : state;
}

export const eraseLoad = (state: State): State => withField(state, (text) => text.slice(0, -1));

export function nextField(state: State): State {
  const { load } = state;
  return { ...state, load: { ...load, field: FIELDS[(FIELDS.indexOf(load.field) + 1) % FIELDS.length] ?? 'rate' } };
}

function withField(state: State, edit: (text: string) => string): State {
  const { load } = state;
  if (load.running !== null) return state;
  return { ...state, load: { ...load, trouble: null, [load.field]: edit(load[load.field]) } };
}

export function beginLoad(state: State): Step {
  const { load, now } = state;
  if (load.running !== null) return [state, []];
  const [rate, seconds] = [wanted(load, 'rate'), wanted(load, 'seconds')];
  if (rate === null || seconds === null) {
    const message = 'Both are numbers above 0: at most 100,000 a second, and for a day (86,400 s).';
    return [{ ...state, load: { ...load, trouble: { message } } }, []];
  }
  const running = { since: now, rate, seconds };
  return [{ ...state, load: { ...load, running, done: null, trouble: null } }, [{ do: 'load', rate, seconds }]];
}

function wanted(load: Load, field: keyof typeof PROPOSED): number | null {
  const value = load[field] === '' ? PROPOSED[field] : Number(load[field]);
  return value > 0 && value <= MOST[field] ? value : null;
}

export function updateAsking(
  state: State,
  message: Extract<Message, { type: 'replayed-all' | 'loaded' | 'asking-stopped' }>,
): Step {
  switch (message.type) {
    case 'asking-stopped':
      return [message.outcome.ok ? state : trouble(state, message.outcome.trouble), []];
    case 'loaded':
      return [loaded(state, message.outcome), []];
    case 'replayed-all':
      return [replayed(state, message.outcome), []];
  }
}

function loaded(state: State, outcome: Extract<Message, { type: 'loaded' }>['outcome']): State {
  const { load, dialog } = state;
  if (load.running === null) return state;
  const { rate } = load.running;
  if (!outcome.ok) {
    const failed = { ...state, load: { ...load, running: null, trouble: outcome.trouble } };
    return dialog?.kind === 'load' ? failed : trouble(failed, outcome.trouble);
  }
  const result = outcome.value;
  const done = { ...state, load: { ...load, running: null, done: { rate, result } } };
  return dialog?.kind === 'load' ? done : say(done, isLoadGood(result) ? 'good' : 'bad', loadWords(result), null);
}

function loadWords({ sent, ms, statuses }: LoadResult): string {
  const good = Object.entries(statuses).reduce((sum, [status, n]) => (status.startsWith('2') ? sum + n : sum), 0);
  const took = ms === null ? '' : `, 95 % within ${milliseconds(ms.p95)}`;
  return `the load: ${good} of ${count(sent, 'request')} answered well${took}; l in Score shows it`;
}

function replayed(state: State, outcome: Extract<Message, { type: 'replayed-all' }>['outcome']): State {
  const { replays, dialog } = state;
  if (replays === null) return state;
  const done = { ...state, replays: { ...replays, since: null, trouble: outcome.ok ? null : outcome.trouble } };
  if (dialog?.kind === 'replays') return done;
  if (!outcome.ok) return trouble({ ...done, replays: null }, outcome.trouble);
  const bad = replays.lines.filter(({ ok }) => !ok).length;
  return say(done, bad === 0 ? 'good' : 'bad', `${replayWords(replays.lines)}; A in Score shows them`, null);
}

export function replayWords(lines: readonly ReplayLine[]): string {
  const bad = lines.filter(({ ok }) => !ok).length;
  const all = `${count(lines.length, 'question')} asked again`;
  return bad === 0 ? `${all}: all is well` : `${all}: ${bad} not as before`;
}

/** What came of it was read. */
export function closeReplays(state: State): State {
  const { replays } = state;
  return { ...state, dialog: null, replays: replays !== null && replays.since !== null ? replays : null };
}
