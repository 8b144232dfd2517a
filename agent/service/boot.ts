/** Tries the code on disk in a throw-away process, as the serving worker would boot it. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { z } from 'zod';
import type { PythonFailure, ReloadStage } from '../../shared/core/service.ts';
import { failureSchema, type GateRequest } from '../hook/messages.ts';
import { explained, fromHookFailure, isSyntax } from './failure.ts';
import { programName } from './argv.ts';
import { SERVERS } from './entry.ts';
import { processes } from './procfs.ts';
import { isWithin } from './root.ts';
import { parseTraceback } from '../../shared/core/traceback.ts';
import { identity, type WorkerContext } from './worker.ts';

/** Bytes of output that a result keeps: the last ones, where the cause stands. */
const MAX_OUTPUT = 64 * 1024;
/** Given to the pipes to be read to their end after the process's. */
const DRAIN_MS = 500;
/** Bytes of an answer that are told. */
const MAX_ANSWER = 16 * 1024;
/** Characters of one event line; a longer one is no event. */
const MAX_LINE = 1024 * 1024;

const stageSchema = z.enum(['find', 'compile', 'import', 'init', 'gate']);
const placeSchema = z.object({ file: z.string(), line: z.int() });
const spanSchema = z.object({ name: z.enum(['import', 'init', 'all']), seconds: z.number(), mb: z.number() });
const codeSchema = z.object({
  asks: z.union([z.literal(false), z.enum(['wsgi', 'asgi', 'run'])]),
  run: z
    .object({
      parameters: z.array(z.object({ name: z.string(), required: z.boolean() })),
      schema: z.array(z.string()).nullable(),
      example: z.string().nullable(),
      place: placeSchema.nullable(),
      raw: z.boolean(),
    })
    .nullable(),
});
const profileSchema = z.object({
  imports: z.array(
    z.object({ module: z.string(), phase: z.string(), seconds: z.number(), all: z.number(), mb: z.number() }),
  ),
  loads: z.array(z.object({ call: z.string(), path: z.string().nullable(), seconds: z.number(), mb: z.number() })),
});
const eventSchema = z.union([
  z.object({ stage: stageSchema }),
  z.object({ server: z.object({ preload: z.boolean(), timeout: z.number() }) }),
  z.object({ span: spanSchema }),
  z.object({ profile: profileSchema }),
  z.object({ modules: z.array(z.string()) }),
  z.object({ loaded: codeSchema }),
  z.object({
    answered: z.object({
      status: z.string(),
      answer: z.string(),
      ms: z.number(),
      again: z.boolean(),
      failure: failureSchema.nullable(),
      raised: z.boolean(),
    }),
  }),
  z.object({ ready: z.object({ files: z.array(z.string()) }) }),
  z.object({ failed: failureSchema }),
]);

/** What a part of the boot took: `all` is all of it, with the process's own memory. */
export type BootSpan = z.infer<typeof spanSchema>;
/** What was loaded: whether and how this process can be asked, and the user's run() with what it takes. */
export type LoadedCode = z.infer<typeof codeSchema>;
/** Seconds and MB of imports, the dearest first (`seconds` its own, `all` with what it imports), and of loads of models. */
export type BootProfile = z.infer<typeof profileSchema>;

export interface BootOptions {
  /** Where boot.py lies. */
  readonly python: string;
  /** Files below it are the user's. */
  readonly root: string;
  readonly deadlineMs: number;
  /** What the application is to answer once it is loaded. */
  readonly request?: GateRequest;
  /** Once rather than twice: whether it answers otherwise each time is not asked. */
  readonly once?: boolean;
  /** After that it may be asked more. */
  readonly talk?: (code: LoadedCode, ask: Ask) => Promise<void>;
  readonly profile?: boolean;
  /** Whether the outcome names the modules that were imported. */
  readonly modules?: boolean;
  /** Ends the process; the outcome is then null. */
  readonly signal: AbortSignal;
}

/** Null when the process has ended before it answered. */
export type Ask = (
  request: GateRequest,
  wish?: { readonly times?: number; readonly keeps?: number },
) => Promise<Answered | null>;

export interface Answered {
  /** `200 OK` */
  readonly status: string;
  /** base64, bounded to 16 KiB unless more was wanted */
  readonly answer: string;
  readonly ms: number;
  /** Asked twice it said the same. */
  readonly again: boolean;
  /** What run() raised where the status is 5xx. */
  readonly failure: PythonFailure | null;
  /** No server made an answer of it. */
  readonly raised: boolean;
}

export interface BootOutcome {
  readonly stage: ReloadStage;
  readonly stages: readonly { readonly name: ReloadStage; readonly ms: number }[];
  /** Absent when the code is good. */
  readonly error?: PythonFailure;
  readonly output: string;
  /** What gunicorn's configuration says; null where gunicorn was not reached. `timeout` in seconds. */
  readonly gunicorn: { readonly preload: boolean; readonly timeout: number } | null;
  /** Its answer to `request`; null where there was none, or where it answers otherwise each time. */
  readonly answered: Answered | null;
  /** Source files of the user's that were imported. */
  readonly files: readonly string[];
  readonly spans: readonly BootSpan[];
  /** Null when it did not come so far. */
  readonly code: LoadedCode | null;
  readonly profile: BootProfile | null;
  readonly modules: readonly string[];
}

/** The command line of boot.py for this worker. */
function bootArguments(worker: WorkerContext, options: BootOptions): string[] {
  const { python, root, profile = false, modules = false } = options;
  const { command, server, entryScript, application } = worker;
  const program =
    server !== 'other'
      ? command.program
      : application !== null
        ? { kind: 'app', name: application.name, folder: application.folder }
        : command.program.kind === 'module' && !SERVERS.has(programName(command))
          ? { kind: 'app', name: command.program.name, folder: worker.cwd }
          : { kind: 'file', name: entryScript ?? command.program.name };
  const spec = {
    program,
    args: command.args,
    entry: entryScript,
    root,
    asks: asks(options),
    profile,
    modules,
  };
  return [...command.flags, join(python, 'boot.py'), JSON.stringify(spec)];
}

const asks = ({ request, talk }: BootOptions): boolean => request !== undefined || talk !== undefined;

/** Without AZUREML_DEBUG_PORT, with which azmlinfsrv dials a debugger and waits for it before it loads anything. */
function bootEnvironment(worker: WorkerContext): Record<string, string> {
  const environ = Object.entries(worker.environ).filter(([name]) => name !== 'AZUREML_DEBUG_PORT');
  return { ...Object.fromEntries(environ), PYTHONDONTWRITEBYTECODE: '1', PYTHONUNBUFFERED: '1' };
}

export async function boot(worker: WorkerContext, options: BootOptions): Promise<BootOutcome | null> {
  const { root, deadlineMs, signal } = options;
  const deadline = AbortSignal.timeout(deadlineMs);
  const stop = AbortSignal.any([signal, deadline]);
  if (stop.aborted) return null;
  const trial = new Trial();
  if (!existsSync(worker.cwd)) {
    const message = `the service's working folder ${worker.cwd} is not there`;
    return trial.outcome({ type: 'FileNotFoundError', message, traceback: message, frames: [] }, '');
  }
  const child = spawn(worker.interpreter, bootArguments(worker, options), {
    cwd: worker.cwd,
    env: bootEnvironment(worker),
    ...identity(worker),
    detached: true, // a process group of its own, so that what the code starts ends with it
    stdio: [asks(options) ? 'pipe' : 'ignore', 'pipe', 'pipe', 'pipe'],
  });
  child.stdin?.on('error', () => undefined); // it ended before it read
  const end = (): void => killTree(child.pid);
  const output = new Tail(MAX_OUTPUT);
  child.stdout?.on('data', output.add);
  child.stderr?.on('data', output.add);
  const events = child.stdio[3];
  if (events instanceof Readable) {
    createInterface({ input: events })
      .on('line', (line) => {
        if (trial.take(line)) end();
      })
      .once('close', () => trial.over());
  }
  stop.addEventListener('abort', end);
  const talked = trial.converse(options, (line) => child.stdin?.write(line)).finally(() => child.stdin?.end());
  const ending = await new Promise<Ending>((resolve) => {
    child.once('error', (error) => resolve({ code: null, by: null, error }));
    child.once('close', (code, by) => resolve({ code, by, error: null }));
    // A daemon that the code made outlives the group and may hold the pipes for ever.
    child.once('exit', () => setTimeout(() => child.stdio.forEach((stream) => stream?.destroy()), DRAIN_MS).unref());
  });
  stop.removeEventListener('abort', end);
  trial.over();
  await talked;
  if (signal.aborted) return null;
  const text = output.text();
  const failure = trial.done
    ? (trial.failure ?? trial.raised)
    : unreported(ending, deadline.aborted ? deadlineMs : null, trial.stage, text, root);
  return trial.outcome(failure && explained(failure, worker, root), text);
}

/** How far the process has come, by what it reported. */
class Trial {
  stage: ReloadStage = 'find';
  done = false;
  failure: PythonFailure | null = null;
  /** By the application, when it was asked what it was to answer. */
  raised: PythonFailure | null = null;
  #isOver = false;
  readonly #stages: { name: ReloadStage; ms: number }[] = [];
  #from = performance.now();
  #gunicorn: BootOutcome['gunicorn'] = null;
  #answered: Answered | null = null;
  #files: readonly string[] = [];
  readonly #spans = new Map<BootSpan['name'], BootSpan>();
  #profile: BootProfile | null = null;
  #modules: readonly string[] = [];
  #code: LoadedCode | null = null;
  readonly #loaded = Promise.withResolvers<LoadedCode | null>();
  readonly #waiting: ((answered: Answered | null) => void)[] = [];

  /** Takes a line of descriptor 3; true when it was the last word. */
  take(line: string): boolean {
    const event = line.length > MAX_LINE || this.done ? null : parseEvent(line);
    if (event === null) return false;
    if ('stage' in event) {
      if (event.stage !== this.stage) this.#enter(event.stage);
      return false;
    }
    if ('answered' in event) {
      const { failure, ...answered } = event.answered;
      this.#waiting.shift()?.({ ...answered, failure: failure && fromHookFailure(failure) });
      return false;
    }
    if (!('ready' in event || 'failed' in event)) {
      if ('server' in event) this.#gunicorn = event.server;
      else if ('span' in event) this.#spans.set(event.span.name, event.span);
      else if ('profile' in event) this.#profile = event.profile;
      else if ('modules' in event) this.#modules = event.modules;
      else this.#loaded.resolve((this.#code = event.loaded));
      return false;
    }
    if ('ready' in event) this.#files = event.ready.files;
    else {
      this.failure = fromHookFailure(event.failed);
      if (event.failed.init && this.stage === 'import') this.#enter('init');
    }
    this.done = true;
    return true;
  }

  /** What is to be asked is asked once the code is there; resolves when nothing more is. */
  async converse({ request, once, talk }: BootOptions, write: (line: string) => void): Promise<void> {
    const code = await this.#loaded.promise;
    if (code === null) return;
    const ask: Ask = (asked, { times = 1, keeps = MAX_ANSWER } = {}) => {
      if (this.#isOver || code.asks === false) return Promise.resolve(null);
      write(`${JSON.stringify({ request: asked, times, keeps })}\n`);
      return new Promise((resolve) => this.#waiting.push(resolve));
    };
    const answered = request === undefined ? null : await ask(request, { times: once === true ? 1 : 2 });
    if (answered?.raised === true) this.raised = answered.failure;
    else if (answered?.again === true) this.#answered = answered;
    await talk?.(code, ask);
  }

  /** Nothing more comes. */
  over(): void {
    this.#isOver = true;
    this.#loaded.resolve(null);
    for (const resolve of this.#waiting.splice(0)) resolve(null);
  }

  #enter(next: ReloadStage): void {
    const now = performance.now();
    this.#stages.push({ name: this.stage, ms: now - this.#from });
    this.#from = now;
    this.stage = next;
  }

  outcome(failure: PythonFailure | null, output: string): BootOutcome {
    this.#enter(this.stage);
    const seen = {
      stages: this.#stages,
      output,
      gunicorn: this.#gunicorn,
      answered: this.#answered,
      files: this.#files,
      spans: [...this.#spans.values()],
      code: this.#code,
      profile: this.#profile,
      modules: this.#modules,
    };
    if (failure === null) return { ...seen, stage: this.stage };
    // A module that the entry script imports is compiled while it is imported.
    return { ...seen, stage: isSyntax(failure) ? 'compile' : this.stage, error: failure };
  }
}

function parseEvent(line: string): z.infer<typeof eventSchema> | null {
  try {
    return eventSchema.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null; // the user's code wrote to the descriptor
  }
}

interface Ending {
  readonly code: number | null;
  readonly by: NodeJS.Signals | null;
  /** It could not be started. */
  readonly error: Error | null;
}

/** The process ended before it said how it went; `deadlineMs` is null unless it was that. */
function unreported(
  { code, by, error }: Ending,
  deadlineMs: number | null,
  stage: ReloadStage,
  text: string,
  root: string,
): PythonFailure {
  const plain = (type: string, message: string, hint: string): PythonFailure => ({
    type,
    message,
    traceback: text.split('\n').slice(-40).join('\n'),
    frames: [],
    hint,
  });
  if (error !== null) {
    return plain(
      'NotStarted',
      `Python could not be started: ${error.message}`,
      'check that the interpreter is there and that its user may run it',
    );
  }
  if (deadlineMs !== null) {
    return plain(
      'Deadline',
      `the code was still in ${stage} after ${deadlineMs / 1000} s`,
      'look for a loop, a download or a wait in it',
    );
  }
  if (by === 'SIGKILL') {
    return plain(
      'Killed',
      `the process was killed in ${stage}`,
      'most likely for want of memory: the container must hold the model twice while new code is tried',
    );
  }
  if (by !== null) {
    return plain(
      'Crashed',
      `the process crashed by ${by} in ${stage}`,
      'a compiled package does not fit this Python or this machine',
    );
  }
  return (
    parseTraceback(text, (file) => isWithin(file, root)) ??
    plain(
      'Exit',
      `the code ended the process with exit code ${code ?? -1} in ${stage}`,
      'look for os._exit() or exit() in it',
    )
  );
}

/** Kills the process group, and the descendants that made a group of their own. */
function killTree(pid: number | undefined): void {
  if (pid === undefined) return;
  const all = [...processes().values()];
  const doomed = new Set([pid]);
  for (let size = 0; size !== doomed.size;) {
    size = doomed.size;
    for (const process of all) if (doomed.has(process.ppid)) doomed.add(process.pid);
  }
  for (const target of [-pid, ...doomed]) {
    try {
      process.kill(target, 'SIGKILL');
    } catch {
      // it ended before
    }
  }
}

/** The last bytes of a stream. */
class Tail {
  readonly #limit: number;
  #chunks: Buffer[] = [];
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  readonly add = (chunk: Buffer): void => {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    while (this.#chunks[0] !== undefined && this.#size - this.#chunks[0].length >= this.#limit) {
      this.#size -= this.#chunks.shift()?.length ?? 0;
    }
  };

  text(): string {
    return Buffer.concat(this.#chunks).subarray(-this.#limit).toString('utf8');
  }
}
