/** What happens to the UI, and what it wants done. */
import type { ProbeReport, ReloadResult } from '../../shared/core/service.ts';
import type {
  CommitPreview,
  CommitResult,
  Comparison,
  EngineEvent,
  LogLine,
  RunResult,
  Scored,
  Take,
  Undoable,
  Undone,
  View,
} from '../engine/view.ts';
import type { Exchange, LoadResult } from '../../shared/core/requests.ts';
import type { Replayed } from '../engine/replay.ts';
import type { Size, Trouble } from './state.ts';

export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly trouble: Trouble };

export type Message =
  /** A key by its name: `a`, `?`, `enter`, `pageup`, `ctrl+c`, … */
  | { readonly type: 'key'; readonly key: string }
  | { readonly type: 'paste'; readonly text: string }
  | { readonly type: 'size'; readonly size: Size }
  | { readonly type: 'tick' }
  | { readonly type: 'view'; readonly view: View }
  | { readonly type: 'event'; readonly event: EngineEvent }
  | { readonly type: 'logs'; readonly lines: readonly LogLine[] }
  | { readonly type: 'reloaded'; readonly outcome: Outcome<ReloadResult> }
  | { readonly type: 'probed'; readonly outcome: Outcome<ProbeReport> }
  | { readonly type: 'previewed'; readonly ticket: number; readonly outcome: Outcome<CommitPreview> }
  | { readonly type: 'committed'; readonly ticket: number; readonly outcome: Outcome<CommitResult> }
  | { readonly type: 'started'; readonly ticket: number; readonly outcome: Outcome<RunResult> }
  | { readonly type: 'undoable'; readonly outcome: Outcome<readonly Undoable[]> }
  | { readonly type: 'undone'; readonly id: string; readonly outcome: Outcome<Undone> }
  | { readonly type: 'compared'; readonly kept: string; readonly outcome: Outcome<Comparison> }
  | {
      readonly type: 'settled';
      readonly kept: string;
      readonly take: Take;
      readonly outcome: Outcome<string | null>;
    }
  | { readonly type: 'scored'; readonly outcome: Outcome<Scored> }
  | { readonly type: 'fetched-request'; readonly id: string; readonly outcome: Outcome<Exchange> }
  | { readonly type: 'replayed'; readonly id: string; readonly outcome: Outcome<Replayed> }
  | { readonly type: 'replayed-all'; readonly outcome: Outcome<void> }
  | { readonly type: 'loaded'; readonly outcome: Outcome<LoadResult> }
  | { readonly type: 'asking-stopped'; readonly outcome: Outcome<void> }
  | { readonly type: 'debug-asked'; readonly outcome: Outcome<void> }
  | { readonly type: 'models-asked'; readonly outcome: Outcome<void> }
  | { readonly type: 'shell-opened' }
  | { readonly type: 'shell-ended'; readonly outcome: Outcome<{ readonly exitCode: number | null }> };

export type Effect =
  | { readonly do: 'reload' }
  | { readonly do: 'probe' }
  | { readonly do: 'profile' }
  | { readonly do: 'models' }
  | { readonly do: 'preview'; readonly ticket: number }
  | { readonly do: 'commit'; readonly ticket: number; readonly tag: string }
  | { readonly do: 'run'; readonly ticket: number; readonly image: string }
  | { readonly do: 'score' }
  | { readonly do: 'exchange'; readonly id: string }
  | { readonly do: 'replay'; readonly id: string }
  | { readonly do: 'replay-all' }
  | { readonly do: 'load'; readonly rate: number; readonly seconds: number }
  | { readonly do: 'stop-asking' }
  | { readonly do: 'debug' }
  | { readonly do: 'hold' }
  | { readonly do: 'listen' }
  | { readonly do: 'shell'; readonly hint: string; readonly what?: 'python' }
  | { readonly do: 'list-undoable' }
  | { readonly do: 'undo'; readonly id: string }
  | { readonly do: 'compare'; readonly kept: string }
  | { readonly do: 'settle'; readonly kept: string; readonly take: Take }
  | { readonly do: 'copy'; readonly text: string }
  | { readonly do: 'answer'; readonly question: string; readonly value: string }
  | { readonly do: 'quit' };
