/** What the agent knows of the scoring service, and what a reload or a probe answers. Times are milliseconds. */

/** A frame of a Python traceback, outermost first. */
export interface Frame {
  readonly file: string;
  readonly line: number;
  readonly function: string;
  /** The source line, when it is known. */
  readonly code?: string;
  /** True when the file lies under the app's root, or is the entry script. */
  readonly user: boolean;
  /** Its variables, bounded, and without the values of those whose names speak of secrets. */
  readonly locals?: readonly Variable[];
}

export interface Variable {
  readonly name: string;
  readonly type: string;
  readonly value: string;
}

export interface PythonFailure {
  /** `NameError`, `SyntaxError`, … */
  readonly type: string;
  readonly message: string;
  /** As Python prints it. Control characters are still in it: whoever shows it strips them. */
  readonly traceback: string;
  readonly frames: readonly Frame[];
  readonly hint?: string;
}

/**
 * The step at which a reload ended: the new code's compilation, import, init(); its answer to the last good request; the
 * switch of workers; the first answer.
 */
export type ReloadStage = 'find' | 'compile' | 'import' | 'init' | 'gate' | 'switch' | 'answer';

/** What the new code answered to the last good request before it served anybody. */
export interface GateResult {
  readonly path: string;
  /** `200 OK` */
  readonly status: string;
  readonly ms: number;
  /** The answer, and the one to compare it with: text, bounded to 16 KiB. */
  readonly answer: string;
  readonly before?: { readonly status: string; readonly answer: string };
}

/**
 * How new code is brought to serve. `candidate`: it boots in a worker beside the old ones, which leave when it has passed
 * the gate. `trial`: it boots in a throw-away process, then gunicorn's HUP or a restart of the service loads it.
 */
export type ReloadWay = 'candidate' | 'trial';

export interface ReloadResult {
  readonly ok: boolean;
  /** The generation that this reload was for. */
  readonly generation: number;
  readonly ms: number;
  /** The last stage that was reached: `answer` when ok. */
  readonly stage: ReloadStage;
  readonly stages: readonly { readonly name: ReloadStage; readonly ms: number }[];
  readonly error?: PythonFailure;
  readonly way?: ReloadWay;
  readonly gate?: GateResult;
  /** The new code needs what the old one holds (a port, a lock): the old workers had to leave first. */
  readonly exclusive?: boolean;
  /** The new code is good; only a new start of the container loads it. */
  readonly needs?: 'container-restart';
  /** Epoch milliseconds at the end. */
  readonly at: number;
  /** What the new code printed while it was tried, bounded to 64 KiB. */
  readonly output?: string;
}

/**
 * Whether a fresh start would serve the code on disk as it is served now: a worker that was forked from a master with
 * imported packages may know what a fresh process does not.
 */
export interface StartCheck {
  /** False when a fresh start fails; `error` says where. */
  readonly ok: boolean;
  readonly error?: PythonFailure;
  /** To the same request a fresh process answers otherwise than the worker did. Text, bounded to 16 KiB. */
  readonly answers?: { readonly path: string; readonly now: string; readonly fresh: string };
  /** Why nothing was tried. */
  readonly skipped?: string;
  readonly generation: number;
  readonly ms: number;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** What somebody who watches the service wants otherwise than it is found. */
export interface ServiceWishes {
  readonly port?: number;
  readonly scorePath?: string;
  readonly healthPath?: string;
  /** False: new code serves without having answered the last good request. */
  readonly gate?: boolean;
  /** What new code is to answer instead of the last good request; `body` is base64. */
  readonly sample?: { readonly contentType: string; readonly body: string };
  /** False: requests are not captured, and so there is no last good one. */
  readonly capture?: boolean;
  /** False: failures do not show the variables of their frames. */
  readonly variables?: boolean;
  /** Words of names whose values are not shown, beside those that speak of secrets anyway. */
  readonly redact?: readonly string[];
  /** False: nothing is brought into gunicorn's master; new code is tried in a process of its own, and a HUP loads it. */
  readonly hook?: boolean;
  /** False: gunicorn's master imports no installed module ahead of its workers. */
  readonly warm?: boolean;
}

export interface WorkerInfo {
  readonly pid: number;
  /** Epoch milliseconds. */
  readonly startedAt: number;
}

/** A process of the service that ended unasked. */
export interface ServiceExit {
  /** Null for a process of the container that was killed for memory and that nothing is known of. */
  readonly pid: number | null;
  /** Epoch milliseconds at which it was noticed. */
  readonly at: number;
  readonly cause: 'memory' | 'timeout' | 'signal' | 'code' | 'unknown';
  /** `worker 41 was killed by the kernel for memory at 512 MB` */
  readonly words: string;
}

/** How the service was found, and what told of each fact about it: short words for people, null where nothing did. */
export interface FoundNote {
  /** `azmlinfsrv, run by runit in /var/runit/gunicorn`; `uvicorn, PID 1` */
  readonly how: string;
  readonly port: string | null;
  readonly root: string;
  readonly entry: string | null;
  readonly interpreter: string | null;
}

/** A debugger in one of the workers. */
export interface DebuggerState {
  /** The worker in which it listens now; null while none does. */
  readonly pid: number | null;
  /** Of debugpy; null while it is not known. */
  readonly version: string | null;
  /** debugpy is the image's own, not the kit's. */
  readonly own: boolean;
  /** Connections to it that come over Drydock. */
  readonly clients: number;
  /** Until when new code is held for a client, epoch milliseconds; null when none is. */
  readonly waitsUntil: number | null;
  /** Why none listens. */
  readonly trouble: string | null;
}

export interface ServiceState {
  /** `none` when no scoring service runs. */
  readonly server: 'azmlinfsrv' | 'gunicorn' | 'other' | 'none';
  readonly supervisor: 'runit' | 'pid1' | 'none';
  readonly found: FoundNote;
  readonly masterPid: number | null;
  readonly workers: readonly WorkerInfo[];
  /** The TCP port on which the service listens in the container; null while it is not known. */
  readonly port: number | null;
  /** It listens there on the container's own loopback alone: nobody outside the container reaches it. */
  readonly loopback: boolean;
  readonly scorePath: string;
  readonly healthPath: string;
  readonly user: string;
  readonly uid: number;
  readonly interpreter: string | null;
  /** `3.11.2` */
  readonly pythonVersion: string | null;
  /** Working folder of the worker. */
  readonly cwd: string | null;
  /** Absolute path of the script that its author edits: what Azure's generated main.py loads, else the entry script. */
  readonly entryScript: string | null;
  readonly health: 'healthy' | 'unhealthy' | 'unreachable' | 'unknown';
  /** Whether an abnormal exit of the service is kept from killing the container; `reason` when it is not. */
  readonly hold: { readonly held: boolean; readonly reason?: string };
  /** The newest generation of the code on disk and the one that serves. */
  readonly desired: number;
  readonly live: number;
  readonly phase: 'idle' | 'checking' | 'switching' | 'answering';
  /** Epoch milliseconds of the code that is being served: the last good reload, or the service's start. */
  readonly liveSince: number | null;
  readonly lastReload: ReloadResult | null;
  /** The way that the next reload takes, and why not the better one. */
  readonly way: { readonly kind: ReloadWay; readonly reason?: string };
  /** Why a worker answers every request with 503: its code does not start, and it is kept for the mend. */
  readonly held: PythonFailure | null;
  /** The last one that had to start anything. */
  readonly startCheck: StartCheck | null;
  /** The last 20, oldest first; what was ended by a reload is none. */
  readonly exits: readonly ServiceExit[];
  /** Null while nobody debugs. */
  readonly debugger: DebuggerState | null;
  /** Why this service cannot be reloaded, when it can't. */
  readonly cannotReload?: string;
}

export interface ProbeStep {
  readonly name: string;
  readonly ok: boolean;
  /** What it needs has failed, so that it is neither well nor not: `ok` is true, and `detail` names the other step. */
  readonly skipped?: true;
  readonly detail: string;
  readonly hint?: string;
  readonly place?: SourcePlace;
  /** What the code raised. */
  readonly failure?: PythonFailure;
}

/** A line of the user's code, by its file's absolute path in the container, and what stands around it. */
export interface SourcePlace {
  readonly file: string;
  readonly line: number;
  /** Lines from number `first` on. */
  readonly source?: { readonly first: number; readonly lines: readonly string[] };
}

export interface ProbeReport {
  readonly probe: string;
  readonly ok: boolean;
  readonly steps: readonly ProbeStep[];
  readonly ms: number;
}

/** What the agent found when it started: the root to sync and why, and whose process it is. */
export interface AgentFacts {
  readonly version: string;
  readonly pid: number;
  readonly uid: number;
  readonly root: string;
  readonly rootReason: string;
  /** How the kit came in. */
  readonly wayIn: 'baked' | 'volume' | 'injected';
  readonly kitDir: string;
  /** Of the machine's kernel: containers have the same one. */
  readonly bootId: string;
}
