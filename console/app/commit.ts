/** The steps of a commit: look, confirm, commit, and start what came out of it. */
import type { Effect, Message } from './message.ts';
import type { CommitStep, State } from './state.ts';
import { say, trouble, type Step } from './step.ts';

type CommitMessage =
  | Extract<Message, { type: 'previewed' | 'committed' | 'started' }>
  | { readonly type: 'confirm' }
  | { readonly type: 'close' };

export function updateCommit(state: State, message: CommitMessage): Step {
  switch (message.type) {
    case 'confirm':
      return confirm(state);
    case 'close':
      return [{ ...state, dialog: null }, []];
    case 'previewed': {
      const step = stepOf(state, message.ticket);
      if (step?.at !== 'preview') return [state, []]; // cancelled meanwhile
      if (!message.outcome.ok) return [withStep(state, { at: 'failed', trouble: message.outcome.trouble }), []];
      const ready = withStep(state, { at: 'ready', preview: message.outcome.value });
      return step.early ? confirm(ready) : [ready, []];
    }
    case 'committed': {
      const { outcome } = message;
      const shown = stepOf(state, message.ticket) !== null;
      const idle = { ...state, committing: null };
      if (!outcome.ok) {
        return [
          shown ? withStep(idle, { at: 'failed', trouble: outcome.trouble }) : trouble(idle, outcome.trouble),
          [],
        ];
      }
      const result = outcome.value;
      return [shown ? withStep(idle, { at: 'done', result }) : say(idle, 'good', `committed ${result.tag}`, null), []];
    }
    case 'started': {
      const { outcome } = message;
      const step = stepOf(state, message.ticket);
      if (step?.at === 'starting') {
        const { result } = step;
        return [
          withStep(
            state,
            outcome.ok ? { at: 'started', result, run: outcome.value } : { at: 'failed', trouble: outcome.trouble },
          ),
          [],
        ];
      }
      if (!outcome.ok) return [trouble(state, outcome.trouble), []];
      const { name, scoreUrl } = outcome.value;
      return [say(state, 'good', `container ${name} runs${scoreUrl === null ? '' : `: ${scoreUrl}`}`, null), []];
    }
  }
}

/** Enter, in whatever step the dialog is. */
function confirm(state: State): Step {
  const { dialog, now } = state;
  if (dialog?.kind !== 'commit') return [state, []];
  const { step, ticket } = dialog;
  switch (step.at) {
    case 'preview':
      return [withStep(state, { ...step, early: true }), []];
    case 'ready': {
      const { tag } = step.preview;
      return go({ ...state, committing: tag }, { at: 'committing', since: now, tag }, { do: 'commit', ticket, tag });
    }
    case 'done': {
      const { result } = step;
      return go(state, { at: 'starting', since: now, result }, { do: 'run', ticket, image: result.tag });
    }
    case 'started':
    case 'failed':
      return [{ ...state, dialog: null }, []];
    case 'committing':
    case 'starting':
      return [state, []];
  }
}

function go(state: State, step: CommitStep, effect: Effect): Step {
  return [withStep(state, step), [effect]];
}

function withStep(state: State, step: CommitStep): State {
  return state.dialog?.kind === 'commit' ? { ...state, dialog: { ...state.dialog, step, scroll: 0 } } : state;
}

/** The dialog's step, when it is still the one that asked. */
function stepOf({ dialog }: State, ticket: number): CommitStep | null {
  return dialog?.kind === 'commit' && dialog.ticket === ticket ? dialog.step : null;
}
