/** The undo list: what sync overwrote or deleted, and one of it coming back. */
import { layoutOf } from './layout.ts';
import type { Message } from './message.ts';
import type { Dialog, State } from './state.ts';
import { say, trouble, type Step } from './step.ts';

type UndoDialog = Extract<Dialog, { kind: 'undo' }>;
type UndoMessage = Extract<Message, { type: 'undoable' | 'undone' }>;

export function openUndo(state: State): Step {
  const dialog: UndoDialog = {
    kind: 'undo',
    ...{ scroll: 0, cursor: 0, since: state.now, list: null, busy: null, trouble: null },
  };
  return [{ ...state, dialog }, [{ do: 'list-undoable' }]];
}

export function confirmUndo(state: State): Step {
  const { dialog } = state;
  if (dialog?.kind !== 'undo' || dialog.busy !== null) return [state, []];
  const chosen = dialog.list?.[dialog.cursor];
  if (chosen === undefined) return [state, []];
  return [{ ...state, dialog: { ...dialog, busy: chosen.id, trouble: null } }, [{ do: 'undo', id: chosen.id }]];
}

export function updateUndo(state: State, message: UndoMessage): Step {
  const { dialog } = state;
  const open = dialog?.kind === 'undo' ? dialog : null;
  const { outcome } = message;
  if (message.type === 'undone' && outcome.ok) {
    const { path, result } = message.outcome.ok ? message.outcome.value : { path: '', result: 'already' };
    const text = result === 'already' ? `${path} is as it was already` : `${path} is back as it was`;
    return [say(open === null ? state : { ...state, dialog: null }, 'good', text), []];
  }
  if (open === null) return [message.type === 'undone' && !outcome.ok ? trouble(state, outcome.trouble) : state, []];
  if (!outcome.ok) return [{ ...state, dialog: { ...open, busy: null, trouble: outcome.trouble } }, []];
  if (message.type !== 'undoable' || !message.outcome.ok) return [state, []];
  return [{ ...state, dialog: { ...open, list: message.outcome.value } }, []];
}

/** The cursor is always on the screen. */
export function moveUndo(state: State, dialog: UndoDialog, by: number): State {
  const last = Math.max(0, (dialog.list?.length ?? 0) - 1);
  const cursor = Math.max(0, Math.min(last, dialog.cursor + by));
  const room = layoutOf(state).body;
  const scroll = Math.max(cursor - room + 1, Math.min(dialog.scroll, cursor));
  return { ...state, dialog: { ...dialog, cursor, scroll } };
}
