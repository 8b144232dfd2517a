/** Conflicts, one after the other: both versions are compared, and the user says whose is wanted. */
import type { Take } from '../engine/view.ts';
import type { Message } from './message.ts';
import type { State } from './state.ts';
import { say, trouble, type Step } from './step.ts';

type ConflictMessage = Extract<Message, { type: 'compared' | 'settled' }>;

/** The one after that which is open, else the first; the panes when there is none. */
export function nextConflict(state: State, settled: string | null = null): Step {
  const { dialog, view, now } = state;
  const open = dialog?.kind === 'conflict' ? dialog.kept : null;
  const all = view?.sync.conflicts ?? [];
  const at = all.findIndex(({ kept }) => kept === open);
  const next = [...all.slice(at + 1), ...all.slice(0, at + 1)].find(({ kept }) => kept !== settled);
  if (next === undefined) return [{ ...state, dialog: null }, []];
  const { kept } = next;
  const fresh = {
    kind: 'conflict',
    scroll: 0,
    kept,
    since: now,
    comparison: null,
    busy: false,
    trouble: null,
  } as const;
  return [{ ...state, dialog: fresh }, [{ do: 'compare', kept }]];
}

export function settleConflict(state: State, take: Take): Step {
  const { dialog } = state;
  if (dialog?.kind !== 'conflict' || dialog.busy) return [state, []];
  const { kept } = dialog;
  return [{ ...state, dialog: { ...dialog, busy: true, trouble: null } }, [{ do: 'settle', kept, take }]];
}

export function updateConflict(state: State, message: ConflictMessage): Step {
  const { outcome, kept } = message;
  const { dialog } = state;
  const open = dialog?.kind === 'conflict' && dialog.kept === kept ? dialog : null;
  if (!outcome.ok) {
    if (open === null) return [message.type === 'settled' ? trouble(state, outcome.trouble) : state, []];
    return [{ ...state, dialog: { ...open, busy: false, trouble: outcome.trouble } }, []];
  }
  if (message.type === 'compared') {
    if (open === null || !message.outcome.ok) return [state, []];
    return [{ ...state, dialog: { ...open, comparison: message.outcome.value } }, []];
  }
  // The view may tell already that it is none any more.
  const path = open?.comparison?.path ?? kept;
  const said = say(state, 'good', `${path}: ${WORDS[message.take](message.outcome.ok ? message.outcome.value : null)}`);
  return open === null ? [said, []] : nextConflict(said, kept);
}

const WORDS: Readonly<Record<Take, (to: string | null) => string>> = {
  host: () => 'this machine’s version stays; u brings the container’s back',
  container: () => 'the container’s version is in its place; u brings this machine’s back',
  both: (to) => `both stay, the container’s as ${to ?? ''}`,
};
