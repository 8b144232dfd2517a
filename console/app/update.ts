/** What each message makes of the state, and what must be done for it. Pure. */
import { plainLine } from '../text/plain.ts';
import {
  beginLoad,
  closeReplays,
  eraseLoad,
  nextField,
  openLoad,
  replayAll,
  replayArrived,
  typeLoad,
  updateAsking,
} from './asking.ts';
import { clampScroll } from './content/content.ts';
import { findNext, findText } from './find.ts';
import { updateCommit } from './commit.ts';
import { nextConflict, settleConflict, updateConflict } from './conflict.ts';
import { actionOf, type Action } from './keymap.ts';
import { layoutOf } from './layout.ts';
import { appendLogs, filterLogs, scrollLogs, type Logs } from './logs.ts';
import type { Message, Outcome } from './message.ts';
import { letters } from './rows.ts';
import type { ReloadResult } from '../../shared/core/service.ts';
import type { EngineEvent, View } from '../engine/view.ts';
import { onModels } from './models.ts';
import { beginProbes, choose, openStep, outdated, probeArrived, probesDone } from './probes.ts';
import { lastFailure, openQuestion, PANES, scopeOf, type Pane, type State } from './state.ts';
import { moveRequest, openRequest, replayRequest, sendSample, updateRequest } from './requests.ts';
import { say, trouble, type Step } from './step.ts';
import { confirmUndo, moveUndo, openUndo, updateUndo } from './undo.ts';

/** `now` is the time at which the message came. */
export function update(before: State, message: Message, now: number): Step {
  const [state, effects] = updated({ ...before, now }, message, now);
  // What was looked for goes with the text that it was looked for in, whatever closed that.
  const left = before.dialog !== null && before.dialog.kind !== state.dialog?.kind;
  return [left ? { ...state, typing: null, find: null } : state, effects];
}

function updated(state: State, message: Message, now: number): Step {
  switch (message.type) {
    case 'key':
      return onKey(state, message.key);
    case 'paste':
      return [state.typing === null ? state : typed(state, state.typing + plainLine(message.text)), []];
    case 'size':
      return [{ ...state, size: message.size }, []];
    case 'tick':
      return [(state.notice?.until ?? Infinity) <= now ? { ...state, notice: null } : state, []];
    case 'view':
      return onView(state, message.view);
    case 'event':
      return [onEvent(state, message.event), []];
    case 'logs':
      return [{ ...state, logs: appendLogs(state.logs, message.lines) }, []];
    case 'reloaded':
      return [onReloaded(state, message.outcome), []];
    case 'probed':
      return [probesDone(state, message.outcome), []];
    case 'scored':
    case 'fetched-request':
    case 'replayed':
      return updateRequest(state, message);
    case 'replayed-all':
    case 'loaded':
    case 'asking-stopped':
      return updateAsking(state, message);
    case 'debug-asked':
    case 'models-asked':
      return [message.outcome.ok ? state : trouble(state, message.outcome.trouble), []];
    case 'previewed':
    case 'committed':
    case 'started':
      return updateCommit(state, message);
    case 'undoable':
    case 'undone':
      return updateUndo(state, message);
    case 'compared':
    case 'settled':
      return updateConflict(state, message);
    case 'shell-opened':
      return [state.shell === null ? state : { ...state, shell: { ...state.shell, open: true } }, []];
    case 'shell-ended':
      return [onShellEnded(state, message.outcome), []];
  }
}

// Keys ----------------------------------------------------------------------------------------------------------------

function onKey(state: State, key: string): Step {
  // While a shell is being opened, what is typed waits for it; the keyboard hands it over as bytes.
  if (state.shell !== null) return [state, []];
  const question = state.dialog === null ? openQuestion(state) : null;
  const choice = question?.choices.find((candidate) => candidate.key === key);
  if (question !== null && choice !== undefined) {
    return [
      { ...state, answered: question.id, questionScroll: 0 },
      [{ do: 'answer', question: question.id, value: choice.value }],
    ];
  }
  const action = actionOf(key, state);
  if (action !== null) return onAction(state, action);
  if (state.dialog?.kind === 'load') return [typeLoad(state, key), []];
  if (state.typing !== null && scopeOf(state) === 'filter' && letters(key).length === 1) {
    return [typed(state, state.typing + key), []];
  }
  return [state, []];
}

function onAction(state: State, action: Action): Step {
  switch (action) {
    case 'pane-files':
      return [{ ...state, pane: 'files' }, []];
    case 'pane-logs':
      return [{ ...state, pane: 'logs' }, []];
    case 'pane-probes':
      return [{ ...state, pane: 'probes' }, []];
    case 'pane-score':
      return [{ ...state, pane: 'score' }, []];
    case 'pane-debug':
      return [{ ...state, pane: 'debug' }, []];
    case 'pane-next':
      return [{ ...state, pane: nextPane(state.pane) }, []];
    case 'shell':
      return [{ ...state, shell: { since: state.now, open: false } }, [{ do: 'shell', hint: shellHint(state) }]];
    case 'python':
      return [{ ...state, shell: { since: state.now, open: false } }, [{ do: 'shell', hint: PROMPT, what: 'python' }]];
    case 'request':
      return openRequest(state);
    case 'again':
      return replayRequest(state);
    case 'sample':
      return sendSample(state);
    case 'debug':
      return [{ ...state, pane: 'debug' }, [{ do: 'debug' }]];
    case 'hold':
      return [{ ...state, pane: 'debug' }, [{ do: 'hold' }]];
    case 'listen':
      return [state, [{ do: 'listen' }]];
    case 'replay-all':
      return replayAll(state);
    case 'load':
      return [openLoad(state), []];
    case 'field-next':
      return [nextField(state), []];
    case 'stop-asking':
      return [state, [{ do: 'stop-asking' }]];
    case 'commit': {
      if (state.committing !== null) return [say(state, 'warn', `${state.committing} is still being committed`), []];
      const ticket = state.tickets + 1;
      const step = { at: 'preview', since: state.now, early: false } as const;
      return [
        { ...state, tickets: ticket, dialog: { kind: 'commit', scroll: 0, ticket, step } },
        [{ do: 'preview', ticket }],
      ];
    }
    case 'reload':
      if (state.reloadingSince !== null) return [state, []];
      return [{ ...state, reloadingSince: state.now, notice: null }, [{ do: 'reload' }]];
    case 'probe':
      return beginProbes(state);
    case 'profile':
      return beginProbes(state, true);
    case 'step-next':
      return [choose(state, 1), []];
    case 'step':
      return [openStep(state), []];
    case 'undo':
      return openUndo(state);
    case 'conflicts':
    case 'conflict-next':
      return nextConflict(state);
    case 'take-host':
      return settleConflict(state, 'host');
    case 'take-container':
      return settleConflict(state, 'container');
    case 'take-both':
      return settleConflict(state, 'both');
    case 'models':
      return [state, [{ do: 'models' }]];
    case 'filter':
      return [{ ...state, typing: filterOf(state) }, []];
    case 'find':
      return [{ ...state, typing: '', find: null }, []];
    case 'find-next':
      return [findNext(state, 1), []];
    case 'find-previous':
      return [findNext(state, -1), []];
    case 'copy': {
      const url = state.view?.scoreUrl ?? null;
      if (url === null) return [state, []];
      return [say(state, 'good', `sent to the clipboard: ${url}`), [{ do: 'copy', text: url }]];
    }
    case 'details': {
      const failure = lastFailure(state);
      if (failure === null) return [state, []];
      const output = state.reload?.output ?? '';
      return [{ ...state, dialog: { kind: 'details', scroll: 0, failure, output } }, []];
    }
    case 'why': {
      const { said } = state.logs;
      return [said === null ? state : { ...state, dialog: { kind: 'why', scroll: 0, said } }, []];
    }
    case 'help':
      return [{ ...state, dialog: { kind: 'help', scroll: 0 } }, []];
    case 'quit':
      return [state, [{ do: 'quit' }]];
    case 'up':
      return [scroll(state, -1), []];
    case 'down':
      return [scroll(state, 1), []];
    case 'page-up':
      return [scroll(state, 1 - layoutOf(state).body), []];
    case 'page-down':
      return [scroll(state, layoutOf(state).body - 1), []];
    case 'top':
      return [scroll(state, -Infinity), []];
    case 'bottom':
      return [scroll(state, Infinity), []];
    case 'confirm':
    case 'close':
      if (state.dialog?.kind === 'commit') return updateCommit(state, { type: action });
      if (state.dialog?.kind === 'load' && action === 'confirm') return beginLoad(state);
      if (state.dialog?.kind === 'replays') return [closeReplays(state), []];
      if (state.dialog?.kind === 'undo' && action === 'confirm') return confirmUndo(state);
      return [{ ...state, dialog: null }, []];
    case 'accept-filter':
      return [{ ...state, typing: null }, []];
    case 'erase':
      if (state.dialog?.kind === 'load') return [eraseLoad(state), []];
      return [
        typed(
          state,
          letters(state.typing ?? '')
            .slice(0, -1)
            .join(''),
        ),
        [],
      ];
    case 'clear': {
      if (state.dialog !== null) return [{ ...state, typing: null, find: null }, []];
      const cleared = typed(state, '');
      // Esc in the filter is about the filter alone.
      const logs = state.typing === null ? { ...cleared.logs, said: null } : cleared.logs;
      return [{ ...cleared, logs, typing: null, notice: null }, []];
    }
  }
}

function nextPane(pane: Pane): Pane {
  const at = PANES.findIndex((candidate) => candidate.pane === pane);
  return PANES[(at + 1) % PANES.length]?.pane ?? 'files';
}

function filterOf({ pane, logs, score, files, probe }: State): string {
  return { files, logs, probes: probe, score, debug: files }[pane].filter;
}

/** The filter as it now reads; it works while it is typed. */
function typed(state: State, filter: string): State {
  const typing = state.typing === null ? null : filter;
  if (state.dialog !== null) return findText({ ...state, typing }, filter);
  switch (state.pane) {
    case 'logs':
      return { ...state, typing, logs: filterLogs(state.logs, filter) };
    case 'probes':
      return { ...state, typing, probe: { ...state.probe, filter, scroll: 0 } };
    case 'score':
      return { ...state, typing, score: { ...state.score, filter, chosen: null, scroll: 0 } };
    default:
      return { ...state, typing, files: { filter, scroll: 0 } };
  }
}

function scroll(state: State, by: number): State {
  const { dialog } = state;
  if (dialog?.kind === 'undo') return moveUndo(state, dialog, by);
  if (dialog !== null) return { ...state, dialog: { ...dialog, scroll: clampScroll(state, dialog.scroll + by) } };
  if (openQuestion(state) !== null) return { ...state, questionScroll: clampScroll(state, state.questionScroll + by) };
  switch (state.pane) {
    case 'files':
      return { ...state, files: { ...state.files, scroll: clampScroll(state, state.files.scroll + by) } };
    case 'probes':
      return { ...state, probe: { ...state.probe, scroll: clampScroll(state, state.probe.scroll + by) } };
    case 'score':
      return moveRequest(state, by);
    case 'debug':
      return { ...state, debugScroll: clampScroll(state, state.debugScroll + by) };
    case 'logs':
      return { ...state, logs: scrollLogs(state.logs, by, layoutOf(state).body) };
  }
}

const PROMPT = 'a Python prompt in a fork of the serving worker: Ctrl-D or Ctrl-] returns';

function shellHint({ view }: State): string {
  const user = view?.service?.user;
  const python = view?.service?.interpreter ?? null;
  return [
    `shell in ${view?.container.name ?? 'the container'}${user === undefined ? '' : ` as ${user}`}`,
    ...(python === null ? [] : [`python ${python}`]),
  ]
    .map(plainLine)
    .join(', ')
    .concat(': Ctrl-] or exit returns');
}

// The engine's news ---------------------------------------------------------------------------------------------------

function onView(state: State, view: View): Step {
  const { service, link } = view;
  const reload = newer(state.reload, service?.lastReload ?? null);
  const reloading = service !== null && service.phase !== 'idle';
  const stands = reloading || byKey(state, reload);
  const next = {
    ...state,
    view,
    reload,
    logs: reload === state.reload ? state.logs : quiet(state.logs, reload),
    everUp: state.everUp || link.phase === 'up',
    settled: state.settled || view.sync.phase === 'ready',
    reloadingSince: stands ? (state.reloadingSince ?? state.now) : null,
  };
  const cameBack = link.phase === 'up' && state.view?.link.phase !== 'up';
  const told = cameBack ? outdated(next, 'link') : reload === state.reload ? next : outdated(next, 'reload');
  return [told, link.phase === 'failed' && !state.everUp ? [{ do: 'quit' }] : []];
}

/** A reload that was asked for by key has begun and neither its answer nor the service's word of it has come. */
function byKey({ reload, reloadingSince, view }: State, latest: ReloadResult | null): boolean {
  return reloadingSince !== null && latest === reload && (view?.service?.phase ?? 'idle') === 'idle';
}

/** What the log said of the code before is past when other code serves. */
function quiet(logs: Logs, reload: ReloadResult | null): Logs {
  return reload?.ok === true ? { ...logs, said: null } : logs;
}

function newer(a: ReloadResult | null, b: ReloadResult | null): ReloadResult | null {
  return a === null || (b !== null && b.at > a.at) ? b : a;
}

function onEvent(state: State, event: EngineEvent): State {
  switch (event.event) {
    case 'synced': {
      const next = event.to === 'container' ? outdated(state, 'save') : state;
      return state.settled ? { ...next, begun: true } : next;
    }
    case 'ready':
      return { ...state, settled: true };
    case 'reloaded':
      return { ...state, begun: true };
    case 'probed':
      return probeArrived(state, event.report);
    case 'replayed':
      return replayArrived(state, event.line);
    case 'fetched':
    case 'unfetched':
    case 'refetching':
      return onModels(state, event);
    case 'conflict':
      return say(
        state,
        'warn',
        `both sides changed ${event.path}: this machine’s version stays, the container’s is ${event.kept}`,
        null,
      );
    default:
      return state; // the view says the same, and lasts
  }
}

function onReloaded(before: State, outcome: Outcome<ReloadResult>): State {
  const state = { ...before, reloadingSince: null, begun: true };
  if (outcome.ok) {
    const reload = newer(state.reload, outcome.value);
    const next = { ...state, reload, logs: quiet(state.logs, outcome.value) };
    return reload === state.reload ? next : outdated(next, 'reload');
  }
  return trouble(state, outcome.trouble);
}

function onShellEnded(before: State, outcome: Outcome<{ exitCode: number | null }>): State {
  const state = { ...before, shell: null };
  if (!outcome.ok) return trouble(state, outcome.trouble);
  const { exitCode } = outcome.value;
  return exitCode === null || exitCode === 0 ? state : say(state, 'warn', `the shell ended with exit code ${exitCode}`);
}
