/** The Score pane: the requests that are known, one of them in full, and asked once more. */
import { isGood, type Summary } from '../../shared/core/requests.ts';
import { headline } from '../text/requests.ts';
import { layoutOf } from './layout.ts';
import type { Message } from './message.ts';
import type { Dialog, State } from './state.ts';
import { say, trouble, type Step } from './step.ts';

type RequestDialog = Extract<Dialog, { kind: 'request' }>;
type RequestMessage = Extract<Message, { type: 'scored' | 'fetched-request' | 'replayed' }>;

/** Newest first, those that pass the filter: of a path, a status or a failure's words. */
export function shownRequests({ view, score }: State): readonly Summary[] {
  const list = (view?.requests.list ?? []).toReversed();
  const { filter } = score;
  if (filter === '') return list;
  const wanted = filter.toLowerCase();
  return list.filter((one) => `${headline(one)} ${one.failed ?? ''}`.toLowerCase().includes(wanted));
}

/** Its place counts from the newest, unless it is held to a request. */
export function chosenRequest(state: State): { readonly at: number; readonly request: Summary | null } {
  const all = shownRequests(state);
  const at = Math.max(
    0,
    all.findIndex(({ id }) => id === state.score.chosen),
  );
  return { at, request: all[at] ?? null };
}

/** The cursor is always on the screen, and stays with its request while newer ones come; at the top it follows them. */
export function moveRequest(state: State, by: number): State {
  const all = shownRequests(state);
  const at = Math.max(0, Math.min(all.length - 1, chosenRequest(state).at + by));
  const room = Math.max(1, layoutOf(state).body - 2);
  const scroll = Math.max(at - room + 1, Math.min(state.score.scroll, at));
  return { ...state, score: { ...state.score, chosen: at === 0 ? null : (all[at]?.id ?? null), scroll } };
}

export function openRequest(state: State): Step {
  const { request } = chosenRequest(state);
  if (request === null) return [state, []];
  return [{ ...state, dialog: fresh(request.id, state.now) }, [{ do: 'exchange', id: request.id }]];
}

/** Of the open request, else of the chosen one. */
export function replayRequest(state: State): Step {
  const { dialog, now } = state;
  const open = dialog?.kind === 'request' ? dialog : null;
  if (open?.busy === true) return [state, []];
  const id = open?.id ?? chosenRequest(state).request?.id;
  if (id === undefined) return [state, []];
  const busy = { ...(open ?? fresh(id, now)), since: now, busy: true, trouble: null };
  return [
    { ...state, dialog: busy },
    [...(open === null ? [{ do: 'exchange', id } as const] : []), { do: 'replay', id }],
  ];
}

export function sendSample(state: State): Step {
  if (state.score.since !== null) return [state, []];
  return [{ ...state, pane: 'score', score: { ...state.score, since: state.now } }, [{ do: 'score' }]];
}

export function updateRequest(state: State, message: RequestMessage): Step {
  if (message.type === 'scored') {
    const done = { ...state, score: { ...state.score, since: null, chosen: null, scroll: 0 } };
    const { outcome } = message;
    if (!outcome.ok) return [trouble(done, outcome.trouble), []];
    const { exchange, file } = outcome.value;
    const of = file === null ? '' : `sent ${file}: `;
    return [say(done, isGood(exchange) ? 'good' : 'bad', `${of}${headline(exchange)}`), []];
  }
  const { dialog } = state;
  if (dialog?.kind !== 'request' || dialog.id !== message.id) return [state, []];
  if (!message.outcome.ok)
    return [{ ...state, dialog: { ...dialog, busy: false, trouble: message.outcome.trouble } }, []];
  if (message.type === 'fetched-request')
    return [{ ...state, dialog: { ...dialog, exchange: message.outcome.value } }, []];
  return [{ ...state, dialog: { ...dialog, busy: false, scroll: 0, replayed: message.outcome.value } }, []];
}

const fresh = (id: string, since: number): RequestDialog => ({
  kind: 'request',
  ...{ id, since, scroll: 0, exchange: null, replayed: null, busy: false, trouble: null },
});
