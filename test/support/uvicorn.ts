/** A real uvicorn on this machine that was started with the hook on its path, as in a container of `drydock run`. */
import { spawn, type ChildProcess } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { copyPythons } from '../../setup/kit.ts';
import type { Captured } from '../../agent/hook/messages.ts';
import { DoorCapture, type CaptureWishes } from '../../agent/service/door-capture.ts';
import { workersOf } from '../../agent/service/find.ts';
import { processes, processOf, type Process } from '../../agent/service/procfs.ts';
import { readWorker } from '../../agent/service/worker.ts';
import { fastapiSite, python } from './python.ts';

const PROJECT = resolve(import.meta.dirname, '../..');
const SELF = [process.execPath, 'unused: the service has our uid'] as const;
/** Between two looks at what is waited for. */
const LOOK_MS = 10;

export class Uvicorn implements AsyncDisposable {
  readonly dir: string;
  readonly captured: Captured[] = [];
  output = '';
  readonly #child: ChildProcess;
  #doors: DoorCapture | null = null;

  private constructor(dir: string, child: ChildProcess) {
    this.dir = dir;
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (data: Buffer) => (this.output += data.toString()));
  }

  /** `files`: empty ones beside the application. */
  static async start(app: string, args: readonly string[] = [], files: readonly string[] = []): Promise<Uvicorn> {
    const home = mkdtempSync(join(tmpdir(), 'drydock-uvicorn-'));
    const dir = join(home, 'app');
    mkdirSync(dir);
    await copyPythons(PROJECT, home);
    writeFileSync(join(dir, 'app.py'), app);
    for (const name of files) writeFileSync(join(dir, name), '');
    const { path } = await python();
    const PYTHONPATH = [join(home, 'hook'), await fastapiSite()].join(':');
    const child = spawn(path, ['-m', 'uvicorn', '--port', '0', ...args, 'app:app'], {
      cwd: dir,
      env: { PATH: process.env['PATH'], HOME: home, PYTHONPATH, PYTHONUNBUFFERED: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return new Uvicorn(dir, child);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Those that serve. */
  get workers(): Process[] {
    const master = processOf(this.pid);
    if (master === null) return [];
    const workers = workersOf(master, processes());
    return workers.length > 0 ? workers : [master];
  }

  async port(): Promise<number> {
    const found = () => Number(/running on http:\/\/127\.0\.0\.1:(\d+)/.exec(this.output)?.[1]);
    await this.until('a port', () => found() > 0);
    return found();
  }

  async post(body: object | string, path = '/score'): Promise<string> {
    const answer = await fetch(`http://127.0.0.1:${await this.port()}${path}`, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
      headers: { 'content-type': 'application/json', connection: 'close' },
    });
    return `${answer.status} ${await answer.text()}`;
  }

  /** What the agent does. */
  async keep(wishes: Partial<CaptureWishes> | null = {}): Promise<DoorCapture> {
    const master = processOf(this.pid);
    const context = master && (await readWorker(master, SELF));
    this.#doors ??= new DoorCapture({
      kitDir: join(this.dir, '..'),
      serving: () => ({ workers: this.workers, context }),
      onCaptured: (captured) => this.captured.push(captured),
      log: (text) => (this.output += `${text}\n`),
    });
    await this.#doors.keep(wishes && { root: this.dir, entry: null, variables: true, redact: [], ...wishes });
    return this.#doors;
  }

  /** Polls; the test's own time limit ends it. */
  async until(what: string, check: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await check())) {
      if (this.#child.exitCode !== null) throw new Error(`${what}: uvicorn ended\n${this.output}`);
      await sleep(LOOK_MS);
    }
  }

  async told(count: number): Promise<readonly Captured[]> {
    await this.until(`${count} requests`, () => this.captured.length >= count);
    return this.captured;
  }

  remove(name: string): void {
    rmSync(join(this.dir, name));
  }

  /** Where the agent listens now, as anybody in the container sees it. */
  get ears(): string[] {
    return readFileSync('/proc/net/unix', 'utf8').match(/(?<=@)drydock-capture-\w+$/gm) ?? [];
  }

  /** What Python has made of ours. */
  get bytecode(): string[] {
    return globSync('{hook,python}/**/__pycache__', { cwd: join(this.dir, '..') });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#doors?.keep(null);
    const workers = this.workers;
    const ended = new Promise((done) => this.#child.once('exit', done));
    for (const { pid } of [{ pid: this.pid }, ...workers]) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // ended meanwhile
      }
    }
    if (this.#child.exitCode === null && this.#child.signalCode === null) await ended;
    rmSync(join(this.dir, '..'), { recursive: true, force: true });
  }
}
