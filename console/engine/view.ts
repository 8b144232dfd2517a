/**
 * What the engine shows and what can be asked of it. The engine (place, link, sync session) runs in a worker thread
 * under the terminal UI and directly under the verbs; both see only this file.
 */
import type {
  AgentFacts,
  FoundNote,
  ProbeReport,
  ReloadResult,
  ServiceExit,
  ServiceState,
} from '../../shared/core/service.ts';
import type { ErrorInfo } from '../../shared/core/errors.ts';
import type { Difference } from '../../shared/core/difference.ts';
import type { Exchange, LoadResult, Summary } from '../../shared/core/requests.ts';
import type { Launch } from './launch-json.ts';
import type { Replayed } from './replay.ts';
import type { Fetched, Progress } from './models/fetch.ts';
import type { Here } from './models/plan.ts';

export type LinkState =
  | { readonly phase: 'connecting'; readonly step: string; readonly since: number }
  | { readonly phase: 'up' }
  /** The container is paused, restarting or gone, or the engine is; what was edited waits on disk. */
  | { readonly phase: 'waiting'; readonly reason: string; readonly hint: string; readonly since: number }
  | { readonly phase: 'failed'; readonly error: ErrorInfo };

/** A row of the Files pane. */
export interface FileRow {
  readonly path: string;
  readonly kind: 'file' | 'link' | 'dir';
  /** Bytes. */
  readonly size: number;
  /** The last time it travelled: which way, how long from seen to visible, when (epoch ms). */
  readonly last: { readonly to: 'container' | 'host'; readonly ms: number; readonly at: number } | null;
  readonly state: 'equal' | 'pending' | 'conflict' | 'frozen' | 'container-only' | 'copied';
  readonly note?: string;
}

/** A choice that only the user can make; the engine waits for `answer`. */
export interface Question {
  readonly id: string;
  /** What differs, in a sentence. */
  readonly text: string;
  /** Detail lines: up to 20 paths with what differs. */
  readonly details: readonly string[];
  readonly choices: readonly { readonly key: string; readonly label: string; readonly value: string }[];
}

/** What lies in the container's `azureml-models`, and how much of it is on this machine. */
export interface ModelsView {
  readonly models: readonly {
    readonly name: string;
    /** Null: files that lie in no version's folder. */
    readonly version: string | null;
    readonly files: number;
    readonly bytes: number;
    /** Entries that cannot be copied: devices, links that lead out. */
    readonly left: number;
    readonly here: Here;
  }[];
  /** `rate`: bytes a second over the link. */
  readonly fetch: (Progress & { readonly rate: number }) | null;
}

export interface SyncView {
  readonly mode: 'sync' | 'bind' | 'none';
  readonly dir: string | null;
  readonly root: string;
  readonly phase: 'starting' | 'ready' | 'working' | 'halted' | 'question' | 'off';
  readonly files: number;
  readonly out: number;
  readonly in: number;
  readonly conflicts: readonly { readonly path: string; readonly kept: string }[];
  readonly rows: readonly FileRow[];
  readonly models: ModelsView;
  readonly halted?: { readonly reason: string; readonly hint: string };
  readonly question?: Question;
  readonly problems: readonly { readonly path: string; readonly message: string }[];
}

export interface RequestsView {
  /** Oldest first. */
  readonly list: readonly Summary[];
  /** Bytes that they take in the agent, and may take. */
  readonly bytes: number;
  readonly limit: number;
}

/** A request that was sent where nobody said which. */
export interface Scored {
  readonly exchange: Exchange;
  /** The file in the app's folder that was taken for it; null for the sample, or the last good request. */
  readonly file: string | null;
}

/** Of all that were sent once more, one. */
export interface ReplayLine {
  /** It is answered well, and as before. */
  readonly ok: boolean;
  /** What was asked, and what is answered now. */
  readonly headline: string;
  /** What it is compared with. */
  readonly before: Pick<Summary, 'status' | 'ms' | 'at'>;
  readonly differences: readonly Difference[];
  /** What the code raises now. */
  readonly failed: string | null;
  /** Why it was not sent, or not compared. */
  readonly skipped?: string;
}

/** The debugger that this console has turned on. */
export interface DebugView {
  /** On this machine's loopback. */
  readonly port: number;
  readonly launch: Launch | null;
  /** Why there is no launch.json. */
  readonly trouble: string | null;
  /** Why the code stands in the debugger; null while it runs. */
  readonly stopped: string | null;
}

/** A way to the editor for workers that dial out to it. */
export interface ListenView {
  /** Of AZUREML_DEBUG_PORT: in the container, and on this machine, where the editor listens. */
  readonly port: number;
  readonly launch: Launch | null;
  /** Why there is no launch.json. */
  readonly trouble: string | null;
  /** The last worker that has dialled. */
  readonly worker: 'none' | 'waits' | 'debugged' | 'let go';
}

export interface View {
  readonly container: { readonly name: string; readonly id: string; readonly image: string; readonly place: string };
  readonly link: LinkState;
  readonly agent: AgentFacts | null;
  readonly service: ServiceState | null;
  /** Where `/score` is reached from the host: published, or forwarded over the link. */
  readonly scoreUrl: string | null;
  readonly sync: SyncView;
  readonly requests: RequestsView;
  readonly debug: DebugView | null;
  readonly listen: ListenView | null;
  /** Of the engine's own; the session's is in `sync`. */
  readonly question: Question | null;
  /** Work under way that the user waits for: commit, probe. Epoch ms since. */
  readonly busy: { readonly what: string; readonly since: number } | null;
}

export interface LogLine {
  readonly stream: 'stdout' | 'stderr';
  /** One line without its end; control characters are still in it. */
  readonly text: string;
  /** Epoch milliseconds of arrival. */
  readonly at: number;
}

export interface CommitPreview {
  readonly tag: string;
  readonly from: string;
  /** Bytes in the writable layer. */
  readonly size: number;
  /** What will be in it: paths of the app that differ from the image. */
  readonly changed: readonly { readonly path: string; readonly kind: 'added' | 'modified' | 'deleted' }[];
  /** How many more differ outside the app folder. */
  readonly others: number;
  /** Sentences the user should read first: mounts put in, models left out, layers near the limit, `--rm`. */
  readonly notes: readonly string[];
}

export interface CommitResult {
  readonly tag: string;
  readonly imageId: string;
  readonly ms: number;
  readonly notes: readonly string[];
}

export interface RunResult {
  readonly name: string;
  readonly id: string;
  readonly scoreUrl: string | null;
}

/** Something that sync overwrote or deleted, on either side. */
export interface Undoable {
  readonly id: string;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly side: 'host' | 'container';
  readonly path: string;
  readonly kind: 'overwritten' | 'deleted';
  /** Bytes; null for a link. */
  readonly size: number | null;
  /** Whether its bytes are there to come back. */
  readonly kept: boolean;
}

export interface Undone {
  readonly path: string;
  readonly result: 'restored' | 'already';
}

/** A line of one version, or of both; `line` counts from 1 in the host’s version, of the container’s in that one. */
export interface DiffLine {
  readonly of: 'host' | 'container' | 'both';
  readonly line: number;
  readonly text: string;
}

/** A conflict's two versions: what has the path on this machine, and the container's as it is kept beside it. */
export interface Comparison {
  readonly path: string;
  readonly kept: string;
  /** Bytes; null where neither a file nor a folder is. */
  readonly host: number | 'folder' | null;
  readonly container: number | 'folder' | null;
  /** What differs with three lines around it; null where that is not text, or too much. */
  readonly lines: readonly DiffLine[] | null;
}

export type Take = 'host' | 'container' | 'both';

export interface ShellSize {
  readonly columns: number;
  readonly rows: number;
}

export interface Shell {
  write(data: Uint8Array): void;
  resize(size: ShellSize): void;
  /** Ends the shell (SIGHUP). */
  close(): void;
  readonly onData: (listener: (data: Uint8Array) => void) => void;
  readonly exited: Promise<{ readonly exitCode: number }>;
}

/** In the order in which `all` shows them; `start`: a fresh process beside the worker that serves. */
export const PROBES = ['env', 'entry', 'imports', 'model-path', 'model', 'init', 'run', 'health', 'start'] as const;

export type ProbeName = (typeof PROBES)[number] | 'all';

export interface Engine {
  /** The newest view now and after each change, at most 30 a second. Returns the way to stop. */
  subscribe(listener: (view: View) => void): () => void;
  /** Log lines from the container's start (bounded) and then as they come, in batches. */
  logs(listener: (lines: readonly LogLine[]) => void): () => void;
  /** Sync and reload events as `drydock sync --json` prints them. */
  events(listener: (event: EngineEvent) => void): () => void;
  reload(): Promise<ReloadResult>;
  /** `profile`: also what imports and loads of models take, of `init`. */
  probe(name: ProbeName, profile?: boolean): Promise<ProbeReport>;
  commitPreview(): Promise<CommitPreview>;
  commit(tag: string): Promise<CommitResult>;
  /** Starts a new container from an image on free loopback ports. */
  run(image: string): Promise<RunResult>;
  /** Begins to fetch the models that are not here, or stops it. */
  toggleModels(): Promise<void>;
  /** The sample, the last good request or a file that looks like one, to the service. */
  score(): Promise<Scored>;
  exchange(id: string): Promise<Exchange>;
  /** That request once more, compared with the last good answer to it. */
  replay(id: string): Promise<Replayed>;
  /** Each known question once more; a `replayed` event comes for each. Resolves when all are answered, or are stopped. */
  replayAll(): Promise<void>;
  /** What `score` sends, so many a second for so many seconds. Rejects as cancelled when it is stopped. */
  load(rate: number, seconds: number): Promise<LoadResult>;
  /** Ends `replayAll` and `load`. */
  stopAsking(): Promise<void>;
  /** A debugger in the serving worker, or none any more. */
  toggleDebug(): Promise<void>;
  /** A debugger, and the code on disk booted once more: held before its import until a client has come, for 30 s. */
  holdForDebugger(): Promise<void>;
  /** Workers that dial out (AZUREML_DEBUG_PORT) find the editor, or do not any more. */
  toggleListen(): Promise<void>;
  /** `python`: a prompt in a fork of the serving worker. */
  shell(size: ShellSize, what?: 'python'): Promise<Shell>;
  /** What sync overwrote or deleted, newest first; as many as a list can be read. */
  undoable(): Promise<readonly Undoable[]>;
  undo(id: string): Promise<Undone>;
  compare(kept: string): Promise<Comparison>;
  /** Resolves with where the version that was not in its place lies now; null where it is only in the journal. */
  settle(kept: string, take: Take): Promise<string | null>;
  answer(question: string, value: string): void;
  close(): Promise<void>;
}

export type EngineEvent =
  | {
      readonly event: 'ready';
      readonly dir: string;
      readonly root: string;
      readonly files: number;
      /** How the service was found. */
      readonly found?: FoundNote;
    }
  | { readonly event: 'synced'; readonly path: string; readonly to: 'container' | 'host'; readonly ms: number }
  | {
      readonly event: 'reloaded';
      readonly ok: boolean;
      readonly ms: number;
      readonly stage: string;
      readonly error?: string;
    }
  /** One of the probes of `all`, as soon as it is there. */
  | { readonly event: 'probed'; readonly report: ProbeReport }
  | { readonly event: 'replayed'; readonly line: ReplayLine }
  /** A fresh start of the code that serves fails, or does otherwise than the worker that serves. */
  | { readonly event: 'start'; readonly ok: boolean; readonly message: string }
  /** A process of the service that ended unasked. */
  | ({ readonly event: 'exit' } & ServiceExit)
  /** Something keeps the two sides from being equal: a read-only folder, a file that cannot be read; `''` is the folder. */
  | { readonly event: 'problem'; readonly path: string; readonly message: string }
  | { readonly event: 'conflict'; readonly path: string; readonly kept: string }
  | { readonly event: 'models'; readonly folder: string | null; readonly models: ModelsView['models'] }
  | ({ readonly event: 'fetching' } & NonNullable<ModelsView['fetch']>)
  /** A model was touched while it was fetched: it is begun anew. */
  | { readonly event: 'refetching'; readonly path: string }
  | ({ readonly event: 'fetched'; readonly ms: number } & Fetched)
  | { readonly event: 'unfetched'; readonly error: ErrorInfo }
  | { readonly event: 'halted'; readonly reason: string; readonly hint: string }
  | { readonly event: 'waiting'; readonly reason: string; readonly hint: string }
  | { readonly event: 'idle' };
