/** Every key of the console. The footer, the `?` screen and docs/KEYS.md all come from this table. */
import { bytes, count } from './format.ts';
import { openable } from './content/probes.ts';
import { chosenRequest } from './requests.ts';
import { lastFailure, scopeOf, type Scope, type State } from './state.ts';

export type Action =
  | 'pane-files'
  | 'pane-logs'
  | 'pane-probes'
  | 'pane-score'
  | 'pane-debug'
  | 'pane-next'
  | 'shell'
  | 'commit'
  | 'reload'
  | 'probe'
  | 'profile'
  | 'step'
  | 'step-next'
  | 'request'
  | 'again'
  | 'sample'
  | 'replay-all'
  | 'load'
  | 'field-next'
  | 'stop-asking'
  | 'debug'
  | 'hold'
  | 'listen'
  | 'python'
  | 'undo'
  | 'conflicts'
  | 'conflict-next'
  | 'take-host'
  | 'take-container'
  | 'take-both'
  | 'models'
  | 'filter'
  | 'find'
  | 'find-next'
  | 'find-previous'
  | 'copy'
  | 'details'
  | 'why'
  | 'help'
  | 'quit'
  | 'up'
  | 'down'
  | 'page-up'
  | 'page-down'
  | 'top'
  | 'bottom'
  | 'confirm'
  | 'close'
  | 'accept-filter'
  | 'erase'
  | 'clear';

export interface Binding {
  readonly keys: readonly string[];
  readonly action: Action;
  readonly scopes: readonly Scope[];
  /** A word or two for the footer. */
  readonly label: string | ((state: State) => string);
  /** A sentence for `?` and the docs. */
  readonly help: string;
  /** Where it stands in the footer when that is short of room: 0 stays longest; absent keys are not in it. */
  readonly rank?: number | ((state: State) => number);
  /** Whether it does something now. */
  readonly when?: (state: State) => boolean;
}

const DIALOGS: readonly Scope[] = [
  'help',
  'details',
  'step',
  'why',
  'undo',
  'conflict',
  'request',
  'load',
  'replays',
  'commit',
];
/** Those with a long text. */
const TEXTS: readonly Scope[] = ['help', 'details', 'step', 'why', 'conflict', 'request', 'replays'];
const SCROLLING: readonly Scope[] = ['panes', 'question', ...DIALOGS];
const ANYWHERE: readonly Scope[] = [...SCROLLING, 'filter'];

const PANE_HELP = 'the panes: Files, Logs, Probes, Score, Debug';

export const KEYMAP: readonly Binding[] = [
  { keys: ['1'], action: 'pane-files', scopes: ['panes'], label: 'files', help: PANE_HELP },
  { keys: ['2'], action: 'pane-logs', scopes: ['panes'], label: 'logs', help: PANE_HELP },
  { keys: ['3'], action: 'pane-probes', scopes: ['panes'], label: 'probes', help: PANE_HELP },
  { keys: ['4'], action: 'pane-score', scopes: ['panes'], label: 'score', help: PANE_HELP },
  { keys: ['5'], action: 'pane-debug', scopes: ['panes'], label: 'debug', help: PANE_HELP },
  { keys: ['tab'], action: 'pane-next', scopes: ['panes'], label: 'next', help: 'the next pane' },
  {
    keys: ['enter', 'w'],
    action: 'why',
    scopes: ['panes'],
    label: 'why',
    help: 'in the log: what its newest marked line (▸) means, and what mends it',
    rank: 1,
    when: ({ pane, logs }) => pane === 'logs' && logs.said !== null,
  },
  {
    keys: ['enter'],
    action: 'step',
    scopes: ['panes'],
    label: 'open',
    help: 'in Probes: the code around the failing step (▸), and the traceback',
    rank: 1,
    when: (state) => state.pane === 'probes' && openable(state).length > 0,
  },
  {
    keys: ['n'],
    action: 'step-next',
    scopes: ['panes'],
    label: 'next failure',
    help: 'in Probes: the next failing step that can be opened',
    rank: 2,
    when: (state) => state.pane === 'probes' && openable(state).length > 1,
  },
  {
    keys: ['enter'],
    action: 'request',
    scopes: ['panes'],
    label: 'open',
    help: 'in Score: the whole request, its answer, and what the code raised, with its variables',
    rank: 1,
    when: hasRequests,
  },
  {
    keys: ['a'],
    action: 'again',
    scopes: ['panes', 'request'],
    label: 'ask again',
    help: 'in Score: that request once more to the code that serves now, compared with the last good answer',
    rank: 1,
    when: (state) => connected(state) && (state.dialog?.kind === 'request' || hasRequests(state)),
  },
  {
    keys: ['enter', 'e'],
    action: 'details',
    scopes: ['panes'],
    label: 'traceback',
    help: 'the whole traceback of the failed reload',
    rank: 1,
    when: (state) => lastFailure(state) !== null,
  },
  {
    keys: ['x'],
    action: 'conflicts',
    scopes: ['panes'],
    label: ({ view }) => count(view?.sync.conflicts.length ?? 0, 'conflict'),
    help: 'what was changed on both sides, line by line, and whose version is wanted',
    rank: 1,
    when: ({ view }) => (view?.sync.conflicts.length ?? 0) > 0,
  },
  {
    keys: ['s'],
    action: 'shell',
    scopes: ['panes'],
    label: 'shell',
    help: 'a shell in the container, in the service’s own Python',
    rank: 2,
    when: connected,
  },
  {
    keys: ['c'],
    action: 'commit',
    scopes: ['panes'],
    label: 'commit',
    help: 'look at what a commit would hold; Enter commits it',
    rank: 3,
    when: connected,
  },
  {
    keys: ['r'],
    action: 'reload',
    scopes: ['panes'],
    label: 'reload',
    help: 'make the service answer with the code on its disk',
    rank: 4,
    when: connected,
  },
  {
    keys: ['p'],
    action: 'probe',
    scopes: ['panes'],
    label: 'probe',
    help: 'explain environment, entry script, imports and model, and try import, init(), run() and a fresh start of the code',
    rank: ({ pane }) => (pane === 'probes' ? 1 : 5),
    when: connected,
  },
  {
    keys: ['P'],
    action: 'profile',
    scopes: ['panes'],
    label: 'profile init',
    help: 'in Probes: init() once more, with the seconds and MB of each import and each load of a model',
    rank: 1,
    when: (state) => connected(state) && state.pane === 'probes',
  },
  {
    keys: ['t'],
    action: 'sample',
    scopes: ['panes'],
    label: 'sample',
    help: 'send the sample, the last good request or the app’s sample-request.json to the service',
    rank: 1,
    when: (state) => connected(state) && state.pane === 'score',
  },
  {
    keys: ['A'],
    action: 'replay-all',
    scopes: ['panes'],
    label: 'ask all',
    help: 'in Score: all known requests once more, each question once, compared with the last good answers',
    rank: 1,
    when: (state) => connected(state) && hasRequests(state),
  },
  {
    keys: ['l'],
    action: 'load',
    scopes: ['panes'],
    label: 'load',
    help: 'in Score: the sample many times a second; how long answers take, how many fail, how many replicas that needs',
    rank: 1,
    when: (state) => connected(state) && state.pane === 'score',
  },
  {
    keys: ['d'],
    action: 'debug',
    scopes: ['panes'],
    label: ({ view }) => ((view?.debug ?? null) === null ? 'debug' : 'end debugging'),
    help: 'a debugger in the serving worker, at a port of this machine; again: none any more',
    rank: ({ pane }) => (pane === 'debug' ? 1 : 5),
    when: connected,
  },
  {
    keys: ['w'],
    action: 'hold',
    scopes: ['panes'],
    label: 'hold init()',
    help: 'in Debug: boot the code on disk once more, and hold it before its import until the editor has come (30 s)',
    rank: 1,
    when: (state) => connected(state) && state.pane === 'debug' && state.view?.service?.way.kind === 'candidate',
  },
  {
    keys: ['l'],
    action: 'listen',
    scopes: ['panes'],
    label: ({ view }) => ((view?.listen ?? null) === null ? 'listen' : 'end listening'),
    help: 'in Debug, for a service with AZUREML_DEBUG_PORT: its workers dial out to the editor; again: not any more',
    rank: 1,
    when: (state) => connected(state) && state.pane === 'debug',
  },
  {
    keys: ['i'],
    action: 'python',
    scopes: ['panes'],
    label: 'Python',
    help: 'a Python prompt in a fork of the serving worker: its model is loaded',
    rank: 1,
    when: (state) => connected(state) && state.pane === 'debug',
  },
  {
    keys: ['u'],
    action: 'undo',
    scopes: ['panes'],
    label: 'undo',
    help: 'what sync overwrote or deleted, on either side; Enter brings a version back',
    rank: 5,
    when: ({ view }) => view?.sync.mode === 'sync' && view.sync.dir !== null,
  },
  {
    keys: ['m'],
    action: 'models',
    scopes: ['panes'],
    label: modelsLabel,
    help: 'fetch the models that are not on this machine; again: stop, to go on later',
    rank: 5,
    when: (state) => connected(state) && modelsLabel(state) !== '',
  },
  {
    keys: ['y'],
    action: 'copy',
    scopes: ['panes'],
    label: 'copy URL',
    help: 'send the scoring URL to the clipboard (OSC 52)',
    rank: 7,
    when: ({ view }) => view !== null && view.scoreUrl !== null && view.link.phase !== 'failed',
  },
  {
    keys: ['/'],
    action: 'filter',
    scopes: ['panes'],
    label: 'filter',
    help: 'only the files, log lines, steps or requests that contain a text',
    rank: 6,
    when: ({ pane }) => pane !== 'debug',
  },
  { keys: ['/'], action: 'find', scopes: TEXTS, label: 'search', help: 'look for a text', rank: 6 },
  {
    keys: ['n'],
    action: 'find-next',
    scopes: TEXTS,
    label: 'next',
    help: 'where it stands next, or before',
    rank: 1,
    when: ({ find }) => find !== null,
  },
  {
    keys: ['N'],
    action: 'find-previous',
    scopes: TEXTS,
    label: 'before',
    help: 'where it stands next, or before',
    when: ({ find }) => find !== null,
  },
  { keys: ['up', 'k'], action: 'up', scopes: SCROLLING, label: 'up', help: 'a line up, a line down' },
  { keys: ['down', 'j'], action: 'down', scopes: SCROLLING, label: 'down', help: 'a line up, a line down' },
  { keys: ['pageup'], action: 'page-up', scopes: SCROLLING, label: 'page up', help: 'a page up, a page down' },
  {
    keys: ['pagedown', ' '],
    action: 'page-down',
    scopes: SCROLLING,
    label: 'page down',
    help: 'a page up, a page down',
  },
  {
    keys: ['home', 'g'],
    action: 'top',
    scopes: SCROLLING,
    label: 'top',
    help: 'to the beginning, to the end; there the log follows',
  },
  {
    keys: ['end', 'G'],
    action: 'bottom',
    scopes: ['panes'],
    label: 'follow',
    help: 'to the beginning, to the end; there the log follows',
    rank: 1,
    when: ({ pane, logs }) => pane === 'logs' && logs.bottom !== null,
  },
  {
    keys: ['end', 'G'],
    action: 'bottom',
    scopes: SCROLLING,
    label: 'end',
    help: 'to the beginning, to the end; there the log follows',
  },
  {
    keys: ['enter'],
    action: 'confirm',
    scopes: ['undo'],
    label: 'bring it back',
    help: 'bring that version back',
    rank: 0,
    when: ({ dialog }) => dialog?.kind === 'undo' && (dialog.list?.length ?? 0) > 0,
  },
  {
    keys: ['h'],
    action: 'take-host',
    scopes: ['conflict'],
    label: 'this machine’s',
    help: 'this machine’s version stays; the container’s goes to the journal',
    rank: 0,
    when: isCompared,
  },
  {
    keys: ['c'],
    action: 'take-container',
    scopes: ['conflict'],
    label: 'the container’s',
    help: 'the container’s version takes its place; this machine’s goes to the journal',
    rank: 0,
    when: isCompared,
  },
  {
    keys: ['b'],
    action: 'take-both',
    scopes: ['conflict'],
    label: 'both',
    help: 'both stay: the container’s gets a name of its own',
    rank: 0,
    when: isCompared,
  },
  {
    keys: ['tab', 'n'],
    action: 'conflict-next',
    scopes: ['conflict'],
    label: 'next',
    help: 'the next conflict',
    rank: 1,
    when: ({ view }) => (view?.sync.conflicts.length ?? 0) > 1,
  },
  {
    keys: ['enter'],
    action: 'confirm',
    scopes: ['commit'],
    label: confirmLabel,
    help: 'commit; afterwards, start the new version',
    rank: 0,
    when: (state) => confirmLabel(state) !== '',
  },
  {
    keys: ['enter'],
    action: 'confirm',
    scopes: ['load'],
    label: 'start',
    help: 'start',
    rank: 0,
    when: ({ load }) => load.running === null,
  },
  {
    keys: ['tab'],
    action: 'field-next',
    scopes: ['load'],
    label: 'next field',
    help: 'the other number; digits and . are typed into it',
    rank: 1,
    when: ({ load }) => load.running === null,
  },
  {
    keys: ['x'],
    action: 'stop-asking',
    scopes: ['load', 'replays'],
    label: 'stop',
    help: 'stop asking the service',
    rank: 0,
    when: isAsking,
  },
  {
    keys: ['escape', 'q'],
    action: 'close',
    scopes: DIALOGS,
    label: closeLabel,
    help: 'back to the panes; what has begun goes on',
    rank: 0,
  },
  { keys: ['enter'], action: 'accept-filter', scopes: ['filter'], label: 'keep', help: 'keep the filter', rank: 0 },
  {
    keys: ['escape'],
    action: 'clear',
    scopes: ['filter'],
    label: ({ dialog }) => (dialog === null ? 'no filter' : 'no search'),
    help: 'show everything again',
    rank: 0,
  },
  {
    keys: ['backspace'],
    action: 'erase',
    scopes: ['filter', 'load'],
    label: 'erase',
    help: 'take the last letter back',
  },
  {
    keys: ['escape'],
    action: 'clear',
    scopes: ['panes'],
    label: 'clear',
    help: 'no filter, and the message goes',
  },
  { keys: ['?'], action: 'help', scopes: ['panes'], label: 'keys', help: 'all keys', rank: 0 },
  {
    keys: ['q'],
    action: 'quit',
    scopes: ['panes', 'question'],
    label: 'quit',
    help: 'leave; the container and its service go on',
    rank: 0,
  },
  { keys: ['ctrl+c'], action: 'quit', scopes: ANYWHERE, label: 'quit', help: 'leave, from anywhere' },
];

/** What a key does now; null when nothing. */
export function actionOf(key: string, state: State): Action | null {
  const scope = scopeOf(state);
  const binding = KEYMAP.find(
    ({ keys, scopes, when }) => keys.includes(key) && scopes.includes(scope) && (when?.(state) ?? true),
  );
  return binding?.action ?? null;
}

/** The keys that work now, as the footer shows them. */
export function footerKeys(
  state: State,
): readonly { readonly key: string; readonly label: string; readonly rank: number }[] {
  const scope = scopeOf(state);
  return KEYMAP.flatMap(({ keys, action, scopes, label, rank, when }) => {
    if (rank === undefined || !scopes.includes(scope) || when?.(state) === false) return [];
    // Its first key may mean something else now.
    const key = keys.find((one) => actionOf(one, state) === action);
    if (key === undefined) return [];
    return [
      {
        key: keyName(key),
        label: typeof label === 'string' ? label : label(state),
        rank: typeof rank === 'number' ? rank : rank(state),
      },
    ];
  });
}

const NAMES: Readonly<Record<string, string>> = {
  enter: 'Enter',
  escape: 'Esc',
  up: '↑',
  down: '↓',
  pageup: 'PgUp',
  pagedown: 'PgDn',
  home: 'Home',
  end: 'End',
  tab: 'Tab',
  backspace: 'Backspace',
  ' ': 'Space',
  'ctrl+c': 'Ctrl-C',
};

/** A key as it stands on the keyboard. */
export function keyName(key: string): string {
  return NAMES[key] ?? key;
}

function connected({ view }: State): boolean {
  return view?.link.phase === 'up';
}

function hasRequests(state: State): boolean {
  return state.pane === 'score' && state.dialog === null && chosenRequest(state).request !== null;
}

function isCompared({ dialog }: State): boolean {
  return dialog?.kind === 'conflict' && dialog.comparison !== null && !dialog.busy;
}

/** What there is to fetch; empty where nothing is. */
function modelsLabel({ view, pane }: State): string {
  if (view?.sync.mode !== 'sync') return '';
  const { models, fetch } = view.sync.models;
  if (fetch !== null) return 'stop fetching';
  if (pane !== 'files') return '';
  const missing = models.filter(({ here, files }) => here !== 'whole' && files > 0);
  return missing.length === 0 ? '' : `fetch ${bytes(missing.reduce((sum, model) => sum + model.bytes, 0))}`;
}

function confirmLabel({ dialog }: State): string {
  if (dialog?.kind !== 'commit') return '';
  const { step } = dialog;
  switch (step.at) {
    case 'preview':
      return 'commit';
    case 'ready':
      return `commit ${step.preview.tag}`;
    case 'done':
      return `run ${step.result.tag}`;
    case 'started':
      return 'done';
    default:
      return '';
  }
}

function isAsking({ dialog, load, replays }: State): boolean {
  return dialog?.kind === 'load' ? load.running !== null : (replays?.since ?? null) !== null;
}

function closeLabel(state: State): string {
  const { dialog } = state;
  if (dialog?.kind === 'load' || dialog?.kind === 'replays') return isAsking(state) ? 'back, it goes on' : 'back';
  if (dialog?.kind !== 'commit') return 'back';
  switch (dialog.step.at) {
    case 'preview':
    case 'ready':
      return 'cancel';
    case 'committing':
    case 'starting':
      return 'back, it goes on';
    case 'done':
      return 'not now';
    default:
      return 'back';
  }
}
