/** All that the terminal UI knows. Times are epoch milliseconds. */
import type { Explanation } from '../../shared/core/explain/match.ts';
import type { PythonFailure, ProbeReport, ProbeStep, ReloadResult } from '../../shared/core/service.ts';
import type { Exchange, LoadResult } from '../../shared/core/requests.ts';
import type { Replayed } from '../engine/replay.ts';
import { PROBES } from '../engine/view.ts';
import type {
  CommitPreview,
  CommitResult,
  Comparison,
  ProbeName,
  ReplayLine,
  RunResult,
  Undoable,
  View,
} from '../engine/view.ts';
import { NO_LOGS, type Logs } from './logs.ts';

export type Pane = 'files' | 'logs' | 'probes' | 'score' | 'debug';

export const PANES: readonly { readonly pane: Pane; readonly title: string }[] = [
  { pane: 'files', title: 'Files' },
  { pane: 'logs', title: 'Logs' },
  { pane: 'probes', title: 'Probes' },
  { pane: 'score', title: 'Score' },
  { pane: 'debug', title: 'Debug' },
];

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** What went wrong, for a person. */
export interface Trouble {
  readonly message: string;
  readonly hint?: string;
}

export type CommitStep =
  /** Enter may come before the preview does: `early` keeps it. */
  | { readonly at: 'preview'; readonly since: number; readonly early: boolean }
  | { readonly at: 'ready'; readonly preview: CommitPreview }
  | { readonly at: 'committing'; readonly since: number; readonly tag: string }
  | { readonly at: 'done'; readonly result: CommitResult }
  | { readonly at: 'starting'; readonly since: number; readonly result: CommitResult }
  | { readonly at: 'started'; readonly result: CommitResult; readonly run: RunResult }
  | { readonly at: 'failed'; readonly trouble: Trouble };

/** What has the keys instead of the panes, in their place. */
export type Dialog =
  | { readonly kind: 'help'; readonly scroll: number }
  | { readonly kind: 'details'; readonly scroll: number; readonly failure: PythonFailure; readonly output: string }
  | { readonly kind: 'step'; readonly scroll: number; readonly step: ProbeStep }
  | { readonly kind: 'why'; readonly scroll: number; readonly said: Explanation }
  | {
      readonly kind: 'undo';
      readonly scroll: number;
      readonly cursor: number;
      readonly since: number;
      /** Newest first; null until it is known. */
      readonly list: readonly Undoable[] | null;
      /** The action that is being taken back. */
      readonly busy: string | null;
      readonly trouble: Trouble | null;
    }
  | {
      readonly kind: 'conflict';
      readonly scroll: number;
      /** The copy with the container's version. */
      readonly kept: string;
      readonly since: number;
      readonly comparison: Comparison | null;
      /** It is being settled. */
      readonly busy: boolean;
      readonly trouble: Trouble | null;
    }
  | {
      readonly kind: 'request';
      readonly scroll: number;
      readonly id: string;
      readonly since: number;
      /** Null until it is there. */
      readonly exchange: Exchange | null;
      /** What the code that serves now makes of it; null until it was asked. */
      readonly replayed: Replayed | null;
      readonly busy: boolean;
      readonly trouble: Trouble | null;
    }
  /** What it shows is in the state: it goes on when the dialog is left. */
  | { readonly kind: 'load'; readonly scroll: number }
  | { readonly kind: 'replays'; readonly scroll: number }
  | { readonly kind: 'commit'; readonly scroll: number; readonly ticket: number; readonly step: CommitStep };

/** A line above the footer that is not about a reload. */
export interface Notice {
  readonly tone: 'good' | 'bad' | 'warn';
  readonly text: string;
  readonly at: number;
  /** When it goes by itself; null stays until Esc or the next one. */
  readonly until: number | null;
}

export interface Probe {
  /** Since when it runs; null when it does not. */
  readonly since: number | null;
  /** Which are run, or were last. */
  readonly asked: readonly ProbeName[];
  /** Each probe's own report, as far as they are there. */
  readonly parts: readonly ProbeReport[];
  /** Those of the time before. */
  readonly before: readonly ProbeReport[];
  /** Of each probe the steps as they were when they were well last; those that never were, as they were first. */
  readonly base: readonly ProbeReport[];
  /** What has happened since to the code that they are of. */
  readonly old: 'save' | 'reload' | 'link' | null;
  /** What all of it took; null until it is over. */
  readonly ms: number | null;
  readonly trouble: Trouble | null;
  readonly scroll: number;
  readonly filter: string;
  /** Which of the failing steps Enter opens, counted from 0. */
  readonly chosen: number;
}

export const NO_PROBE: Probe = {
  since: null,
  asked: PROBES,
  parts: [],
  before: [],
  base: [],
  old: null,
  ms: null,
  trouble: null,
  scroll: 0,
  filter: '',
  chosen: 0,
};

/** All known requests, asked once more. */
export interface Replays {
  /** Since when they are; null when it is over. */
  readonly since: number | null;
  readonly lines: readonly ReplayLine[];
  readonly trouble: Trouble | null;
}

export const FIELDS = ['rate', 'seconds'] as const;

export interface Load {
  /** As typed; empty for what is proposed. */
  readonly rate: string;
  readonly seconds: string;
  /** The one that is typed into. */
  readonly field: (typeof FIELDS)[number];
  readonly running: { readonly since: number; readonly rate: number; readonly seconds: number } | null;
  readonly done: { readonly rate: number; readonly result: LoadResult } | null;
  readonly trouble: Trouble | null;
}

export const NO_LOAD: Load = { rate: '', seconds: '', field: 'rate', running: null, done: null, trouble: null };

/** A text that is looked for in a dialog. */
export interface Find {
  readonly text: string;
  /** The row of the match that was gone to; null where there is none. */
  readonly at: number | null;
}

export interface State {
  readonly now: number;
  readonly size: Size;
  /** The user's home on this machine. */
  readonly home: string;
  readonly view: View | null;
  /** Whether the link was ever up: a link that fails before that leaves nothing to look at. */
  readonly everUp: boolean;
  readonly pane: Pane;
  readonly dialog: Dialog | null;
  /** The text that is being typed into the filter of the pane, or is looked for in the dialog; null when none is. */
  readonly typing: string | null;
  /** What is looked for in the dialog. */
  readonly find: Find | null;
  readonly files: { readonly scroll: number; readonly filter: string };
  readonly logs: Logs;
  readonly probe: Probe;
  readonly score: {
    /** The request that the cursor is held to; null follows the newest. */
    readonly chosen: string | null;
    readonly scroll: number;
    readonly filter: string;
    /** Since when one is being sent; null when none is. */
    readonly since: number | null;
  };
  /** Null where they were not asked, or what came of it was read. */
  readonly replays: Replays | null;
  readonly load: Load;
  readonly debugScroll: number;
  readonly notice: Notice | null;
  /** The newest reload that is known, however it came about. */
  readonly reload: ReloadResult | null;
  /** Since when the service is being reloaded; null when it is not. */
  readonly reloadingSince: number | null;
  /** A shell is being opened since then, or has the terminal. */
  readonly shell: { readonly since: number; readonly open: boolean } | null;
  /** The sides were compared and made equal once; what travels after that is somebody's edit. */
  readonly settled: boolean;
  /** An edit travelled or a reload was made, so the first advice has been taken. */
  readonly begun: boolean;
  /** The question that was answered last: it is not asked again while the answer travels. */
  readonly answered: string | null;
  readonly questionScroll: number;
  /** Tells the answers for this commit dialog from those for an earlier one. */
  readonly tickets: number;
  /** A commit goes on behind the panes: its dialog was left. */
  readonly committing: string | null;
}

export function initialState(options: { now: number; size: Size; home: string }): State {
  return {
    ...options,
    view: null,
    everUp: false,
    pane: 'files',
    dialog: null,
    typing: null,
    find: null,
    files: { scroll: 0, filter: '' },
    logs: NO_LOGS,
    probe: NO_PROBE,
    score: { chosen: null, scroll: 0, filter: '', since: null },
    replays: null,
    load: NO_LOAD,
    debugScroll: 0,
    notice: null,
    reload: null,
    reloadingSince: null,
    shell: null,
    settled: false,
    begun: false,
    answered: null,
    questionScroll: 0,
    tickets: 0,
    committing: null,
  };
}

/** Which keys work now. */
export type Scope = 'panes' | 'filter' | 'question' | Dialog['kind'];

export function scopeOf(state: State): Scope {
  if (state.dialog !== null) return state.typing === null ? state.dialog.kind : 'filter';
  // Answered or not: a key that is pressed twice must not mean something else the second time.
  const { view } = state;
  if ((view?.question ?? null) !== null || view?.sync.question !== undefined) return 'question';
  return state.typing === null ? 'panes' : 'filter';
}

export function openQuestion({ view, answered }: State) {
  const question = view?.question ?? view?.sync.question;
  return question === undefined || question.id === answered ? null : question;
}

/** The failure that a person would ask about now: of the newest reload, else of the code that the service holds for its mend. */
export function lastFailure({ reload, view }: State): PythonFailure | null {
  return (reload !== null && !reload.ok ? reload.error : null) ?? view?.service?.held ?? null;
}
