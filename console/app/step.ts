/** What an update gives back, and the line above the footer that many of them write. */
import type { Effect } from './message.ts';
import type { Notice, State, Trouble } from './state.ts';

export type Step = readonly [State, readonly Effect[]];

/** How long a notice stands that needs no answer, in milliseconds. */
const NOTICE_MS = 5000;

export function say(state: State, tone: Notice['tone'], text: string, lasts: number | null = NOTICE_MS): State {
  return { ...state, notice: { tone, text, at: state.now, until: lasts === null ? null : state.now + lasts } };
}

export function trouble(state: State, { message, hint }: Trouble): State {
  return say(state, 'bad', hint === undefined ? message : `${message} ${hint}`, null);
}
