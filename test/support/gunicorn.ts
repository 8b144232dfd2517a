/** A real gunicorn on this machine with the real hook in it, driven as the agent drives it. */
import { spawn, type ChildProcess } from 'node:child_process';
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HookChannel, type CandidateOutcome } from '../../agent/hook/channel.ts';
import { inject, type Injection } from '../../agent/hook/inject.ts';
import type { FromHook, GateRequest, Promoted, Rejected } from '../../agent/hook/messages.ts';
import { processes, processOf, type Process } from '../../agent/service/procfs.ts';
import { boot, type BootOutcome } from '../../agent/service/boot.ts';
import { readWorker, type WorkerContext } from '../../agent/service/worker.ts';
import { copyPythons } from '../../setup/kit.ts';
import { GUNICORNS, gunicornSite, python, type GunicornVersion, type Python } from './python.ts';

const PROJECT = resolve(import.meta.dirname, '../..');
const SELF = [process.execPath, 'unused: the master has our uid'] as const;
/** Between two looks at what is waited for. */
const LOOK_MS = 10;

/** How the hook comes in: into a master that runs, or with it. */
export type Way = 'live' | 'start';

/** Every version, each way in. */
export const EACH = GUNICORNS.flatMap((version) => (['live', 'start'] as const).map((way) => ({ version, way })));

/** A WSGI application that answers `value`; `before` stands above it, `inside` is run for each request. */
export const app = (value: string | number, { before = '', inside = '' } = {}): string => `import os
${before}

def app(environ, start_response):
    environ['wsgi.input'].read()
${inside.replace(/^/gm, '    ')}
    body = ('%s' % (${JSON.stringify(value)},)).encode()
    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', str(len(body))), ('X-Pid', str(os.getpid()))])
    return [body]
`;

/** Answers whether its worker found numpy imported, and a number that it drew. */
export const DRAWING = app('', {
  before: 'import sys\nWARM = "numpy" in sys.modules\nimport numpy\nDRAWN = numpy.random.rand()',
}).replace(/body = .*/, "body = ('%s %s' % (WARM, DRAWN)).encode()");

/** A configuration for who counts descriptors: gunicorn 27's control socket makes its own anew after each fork. */
export const COUNTABLE = 'control_socket_disable = True\n';

/** Another, which writes down, when a worker ends, what of the arbiter and of workers is another's. */
export const TELLING = `${COUNTABLE}
def child_exit(arbiter, worker):
    from gunicorn.workers import base
    own = sorted(name for name, value in vars(arbiter).items() if callable(value) or 'ERROR' in name)
    seen = [own, base.Worker.load_wsgi.__qualname__, arbiter.WORKER_BOOT_ERROR, arbiter.APP_LOAD_ERROR]
    open('seen', 'w').write(repr(seen))
`;

export interface GunicornOptions {
  readonly version: GunicornVersion;
  /** This machine's where there is none. */
  readonly interpreter?: Python;
  /** Null for a gunicorn that the test brings the hook into, or not. */
  readonly way: Way | null;
  /** By name, in the service's folder. */
  readonly files?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The hook is on PYTHONPATH; as `way: 'start'` says, where it is expected to come in. */
  readonly hook?: boolean;
  /** What lies in files of the hook instead of their text. */
  readonly damage?: Readonly<Record<string, string>>;
  /** Further folders for PYTHONPATH, before everything but the hook. */
  readonly sites?: readonly string[];
  /** False where it fails at its start. */
  readonly waits?: boolean;
}

/** `200 body` → how often. */
export type Answers = Map<string, number>;

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly pid: number;
}

export class Gunicorn implements AsyncDisposable {
  readonly dir: string;
  readonly hookDir: string;
  readonly messages: FromHook[] = [];
  output = '';
  port = 0;
  #child: ChildProcess;
  #channel: HookChannel | null = null;
  #generation = 0;
  readonly ended: Promise<number | null>;

  private constructor(dir: string, hookDir: string, child: ChildProcess) {
    this.dir = dir;
    this.hookDir = hookDir;
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (data: Buffer) => (this.output += data.toString()));
    this.ended = new Promise((done) => child.once('exit', done));
  }

  static async start(options: GunicornOptions): Promise<Gunicorn> {
    const { version, way, files = {}, args = [], env = {}, sites = [], waits = true } = options;
    const { hook = way === 'start', damage = {} } = options;
    const home = mkdtempSync(join(tmpdir(), 'drydock-gunicorn-'));
    const dir = join(home, 'app');
    const hookDir = join(home, 'hook');
    mkdirSync(dir);
    await copyPythons(PROJECT, home);
    for (const [name, text] of Object.entries({ 'app.py': app(1), ...files })) put(join(dir, name), text);
    for (const [name, text] of Object.entries(damage)) writeFileSync(join(hookDir, name), text);
    const interpreter = options.interpreter ?? (await python());
    const packages = await gunicornSite(version, interpreter);
    const path = [...(hook ? [hookDir] : []), ...sites, packages];
    const program = [join(packages, 'bin/gunicorn'), '-b', '127.0.0.1:0', ...args, 'app:app'];
    const child = spawn(interpreter.path, program, {
      cwd: dir,
      env: { PATH: process.env['PATH'], HOME: home, PYTHONPATH: path.join(':'), PYTHONUNBUFFERED: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const gunicorn = new Gunicorn(dir, hookDir, child);
    try {
      await gunicorn.#listening();
      if (waits)
        await gunicorn.until('an answer', async () => (await gunicorn.get().catch(() => null))?.status === 200);
      if (way === 'live') await gunicorn.hook();
      // The port is told a moment before the hook is in.
      if (way === 'start') await gunicorn.until('a hook', () => gunicorn.open().then(Boolean, () => false));
      return gunicorn;
    } catch (error) {
      await gunicorn[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #listening(): Promise<void> {
    await this.until('a port', () => {
      this.port = Number(/Listening at: http:\/\/127\.0\.0\.1:(\d+)/.exec(this.output)?.[1]);
      return this.port > 0;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#channel?.close();
    if (this.isRunning) {
      const all = this.workers.map(({ pid }) => pid);
      for (const pid of [this.pid, ...all]) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // ended meanwhile
        }
      }
      await this.ended;
    }
    rmSync(dirname(this.dir), { recursive: true, force: true });
  }

  // The processes -------------------------------------------------------------------------------------------------------

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get master(): Process {
    const master = processOf(this.pid);
    if (master === null) throw new Error(`gunicorn ended:\n${this.output}`);
    return master;
  }

  /** Its children that live, candidates among them. */
  get workers(): Process[] {
    return [...processes().values()].filter(({ ppid }) => ppid === this.pid);
  }

  signal(signal: NodeJS.Signals, pid = this.pid): void {
    process.kill(pid, signal);
  }

  /** How many descriptors and how much memory (KiB) the master has. */
  usage(): { descriptors: number; rss: number } {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return { descriptors: readdirSync(`/proc/${this.pid}/fd`).length, rss: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) };
  }

  /** Polls; the test's own time limit ends it. */
  async until(what: string, check: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await check())) {
      if (!this.isRunning) throw new Error(`${what}: gunicorn ended\n${this.output}`);
      await sleep(LOOK_MS);
    }
  }

  // Its files and its answers -----------------------------------------------------------------------------------------

  /** As an editor saves: another file is renamed into place. */
  write(name: string, text: string): void {
    put(join(this.dir, name), text);
  }

  remove(name: string): void {
    rmSync(join(this.dir, name), { recursive: true });
  }

  get(path = '/'): Promise<Answer> {
    return this.#ask('GET', path);
  }

  post(body = '{"data": [1]}', path = '/score'): Promise<Answer> {
    return this.#ask('POST', path, body);
  }

  #ask(method: string, path: string, body = ''): Promise<Answer> {
    return new Promise((done, fail) => {
      const headers = method === 'POST' ? { 'content-type': 'application/json', 'content-length': body.length } : {};
      const asked = request({ host: '127.0.0.1', port: this.port, method, path, agent: false, headers }, (answer) => {
        let text = '';
        answer
          .on('data', (data: Buffer) => (text += data.toString()))
          .on('end', () => done({ status: answer.statusCode ?? 0, body: text, pid: Number(answer.headers['x-pid']) }))
          .on('error', fail);
      });
      asked.on('error', fail).end(body);
    });
  }

  /** Asks until it is stopped, without a pause or so many times a second; each different answer with how often it came. */
  hammer({ clients = 2, perSecond }: { clients?: number; perSecond?: number } = {}): { stop(): Promise<Answers> } {
    const answers: Answers = new Map();
    const stopped = new AbortController();
    const count = (answer: string) => answers.set(answer, (answers.get(answer) ?? 0) + 1);
    const client = async () => {
      while (!stopped.signal.aborted) {
        await this.post().then(
          ({ status, body }) => count(`${status} ${body}`),
          (error: unknown) => count(String(error)),
        );
        if (perSecond !== undefined) await sleep((clients * 1000) / perSecond);
      }
    };
    const running = Array.from({ length: clients }, client);
    return {
      stop: async () => {
        stopped.abort();
        await Promise.all(running);
        return answers;
      },
    };
  }

  /** The answers of `count` different workers. */
  async answersOf(count: number): Promise<string[]> {
    const bodies = new Map<number, string>();
    await this.until(`answers of ${count} workers`, async () => {
      const { pid, body } = await this.get();
      bodies.set(pid, body);
      return bodies.size === count;
    });
    return [...bodies.values()];
  }

  // The hook ----------------------------------------------------------------------------------------------------------

  get channel(): HookChannel {
    if (this.#channel === null) throw new Error('there is no hook');
    return this.#channel;
  }

  async worker(): Promise<WorkerContext> {
    const worker = await readWorker(this.master, SELF);
    if (worker === null) throw new Error('the master could not be read');
    return worker;
  }

  /** What the agent does to a master that runs. */
  async inject(root = this.dir + '/none'): Promise<Injection> {
    const { master, hookDir } = this;
    const injection = await inject({ master, worker: await this.worker(), hookDir, build: '', self: SELF, root });
    if ('channel' in injection) this.#listen(injection.channel);
    return injection;
  }

  async hook(): Promise<HookChannel> {
    const injection = await this.inject();
    if ('why' in injection) throw new Error(`${injection.why}\n${this.output}`);
    return injection.channel;
  }

  /** Connects to the hook that is there. */
  async open(): Promise<HookChannel> {
    const channel = await HookChannel.open(this.pid, '');
    if (channel === null) throw new Error(`no hook\n${this.output}`);
    this.#listen(channel);
    return channel;
  }

  /** What an agent that comes now is told of a worker that is held: the worker may answer before the master knows. */
  async held(): Promise<HookChannel['hello']['held']> {
    await this.until('held', async () => {
      this.channel.close();
      const channel = await this.open().catch(() => null);
      return channel !== null && channel.hello.held !== null;
    });
    return this.channel.hello.held;
  }

  #listen(channel: HookChannel): void {
    this.#channel = channel;
    channel.on((message) => this.messages.push(message));
  }

  async uninstall(): Promise<void> {
    await this.channel.uninstall();
    this.#channel = null;
  }

  /** The first message since `from`, already told or not, of which `pick` makes something. */
  async message<T>(what: string, pick: (message: FromHook) => T | undefined, from = 0): Promise<T> {
    let got: T | undefined;
    await this.until(what, () => {
      got = this.messages
        .slice(from)
        .map(pick)
        .find((one) => one !== undefined);
      return got !== undefined;
    });
    return got as T;
  }

  /** Boots what lies on disk; the outcome as it is told. */
  async candidate(wishes: CandidateOptions = {}): Promise<CandidateOutcome | null> {
    const {
      signal = new AbortController().signal,
      onStage = () => undefined,
      deadlineMs = 60_000,
      gate = 'last',
    } = wishes;
    const root = this.dir;
    this.#generation += 1;
    return this.channel.candidate({
      generation: this.#generation,
      root,
      entry: null,
      alone: false,
      deadlineMs,
      gate,
      signal,
      onStage,
    });
  }

  /** Code that is to be accepted; resolves when every old worker was told to end. */
  async accepted(wishes?: CandidateOptions): Promise<Promoted> {
    const outcome = await this.candidate(wishes);
    if (outcome?.kind !== 'promoted') throw new Error(`not promoted: ${JSON.stringify(outcome)}\n${this.output}`);
    const settled = await outcome.settled;
    if (settled === null) throw new Error(`not settled\n${this.output}`);
    return outcome.promoted;
  }

  /** Ends one of so many workers; what `TELLING` writes down then. */
  async seen(workers = 1): Promise<string> {
    const file = join(this.dir, 'seen');
    await this.until('no worker that leaves', () => this.workers.length === workers);
    rmSync(file, { force: true });
    this.signal('SIGKILL', this.workers[0]?.pid);
    await this.until('the end of a worker', () => existsSync(file) && readFileSync(file, 'utf8').endsWith(']'));
    await this.until('another worker', () => this.workers.length === workers);
    return readFileSync(file, 'utf8');
  }

  /** Code that is to be refused, and nobody is to notice. */
  async refused(text: string, wishes?: CandidateOptions): Promise<Rejected> {
    const before = String(this.workers.map(({ pid }) => pid));
    const { body } = await this.get();
    this.write('app.py', text);
    const hammer = this.hammer();
    const rejected = await this.rejected(wishes);
    const answers = [...(await hammer.stop()).keys()];
    if (answers.join() !== `200 ${body}`) throw new Error(`somebody noticed: ${answers.join()}`);
    await this.until('the workers of before', () => String(this.workers.map(({ pid }) => pid)) === before);
    return rejected;
  }

  /** What Python has made of ours. */
  get bytecode(): string[] {
    const cwd = join(this.hookDir, '..');
    return globSync('{hook,python}/**/__pycache__', { cwd });
  }

  /** Boots what lies on disk in a process beside the service, and asks it. */
  async trial(request?: GateRequest): Promise<BootOutcome | null> {
    const python = join(this.hookDir, '../python');
    const { signal } = new AbortController();
    return boot(await this.worker(), {
      python,
      root: this.dir,
      deadlineMs: 60_000,
      signal,
      ...(request && { request }),
    });
  }

  /** Code that is to be refused. */
  async rejected(wishes?: CandidateOptions): Promise<Rejected> {
    const outcome = await this.candidate(wishes);
    if (outcome?.kind !== 'rejected') throw new Error(`not rejected: ${JSON.stringify(outcome)}\n${this.output}`);
    return outcome.rejected;
  }
}

export interface CandidateOptions {
  readonly deadlineMs?: number;
  readonly gate?: 'last' | GateRequest | null;
  readonly signal?: AbortSignal;
  readonly onStage?: (stage: string) => void;
}

function put(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.tmp`, text);
  renameSync(`${path}.tmp`, path);
}
