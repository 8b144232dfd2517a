/** A scoring container with the agent's service in it, driven over `docker exec`. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'esbuild';
import { execa } from 'execa';
import { copyPythons } from '../../setup/kit.ts';
import type { ReloadResult, ServiceState } from '../../shared/core/service.ts';
import { scoringImage } from './images.ts';
import { OWNER_ARGS } from './leftovers.ts';

const PROJECT = resolve(import.meta.dirname, '../..');
const KIT = '/opt/driver';
/** Between two looks at what is waited for. */
const LOOK_MS = 10;

/** A folder with Node, the bundled driver and the Python files. */
export async function buildDriverKit(): Promise<{ dir: string } & Disposable> {
  const dir = mkdtempSync(join(tmpdir(), 'drydock-driver-'));
  await build({
    entryPoints: [join(PROJECT, 'test/support/service-driver.ts')],
    outfile: join(dir, 'driver.cjs'),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    logLevel: 'error',
  });
  copyFileSync(join(PROJECT, 'node_modules/node/bin/node'), join(dir, 'node'));
  await copyPythons(PROJECT, dir);
  await execa('chmod', ['-R', 'a+rX', dir]);
  return { dir, [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }) };
}

export interface StartOptions {
  /** The sample; it knows nothing of Drydock. */
  readonly image: 'plain-user' | 'plain-root';
  /** Another image instead of it. */
  readonly tag?: string;
  readonly kit: string;
  /** Further arguments of `docker run`. */
  readonly args?: readonly string[];
  readonly command?: readonly string[];
  /** Uncommon: the service is not waited for. */
  readonly waits?: boolean;
}

export class ScoringContainer implements AsyncDisposable {
  readonly id: string;
  readonly port: number;

  private constructor(id: string, port: number) {
    this.id = id;
    this.port = port;
  }

  static async start({
    image,
    tag,
    kit,
    args = [],
    command = [],
    waits = true,
  }: StartOptions): Promise<ScoringContainer> {
    const { stdout: id } = await execa('docker', [
      ...['run', '-d', ...OWNER_ARGS, '-p', '127.0.0.1::5001', ...args, tag ?? (await scoringImage(image)), ...command],
    ]);
    await execa('docker', ['cp', '-q', `${kit}/.`, `${id}:${KIT}`]);
    const { stdout: published } = await execa('docker', ['port', id, '5001']);
    const container = new ScoringContainer(id, Number(published.split('\n')[0]?.split(':').at(-1)));
    if (waits) await container.until('the service answers', async () => (await container.health()) === 200);
    return container;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await execa('docker', ['rm', '-f', '-v', this.id]);
  }

  /** A shell line as the container's own user; its output. */
  async sh(line: string): Promise<string> {
    const { stdout } = await execa('docker', ['exec', this.id, 'sh', '-c', line]);
    return stdout;
  }

  /** As an editor saves: another file is renamed into place. */
  async write(path: string, content: string): Promise<void> {
    const line = `cat > ${path}.tmp && mv ${path}.tmp ${path}`;
    await execa('docker', ['exec', '-i', this.id, 'sh', '-c', line], { input: content });
  }

  /** A folder of this machine, whoever may read it there. */
  async copy(from: string, to: string): Promise<void> {
    await execa('docker', ['cp', '-q', from, `${this.id}:${to}`]);
    await execa('docker', ['exec', '-u', '0', this.id, 'chmod', '-R', 'a+rX', to]);
  }

  async isRunning(): Promise<boolean> {
    const { stdout } = await execa('docker', ['inspect', '-f', '{{.State.Running}}', this.id]);
    return stdout === 'true';
  }

  async health(): Promise<number> {
    return fetch(`http://127.0.0.1:${this.port}/`).then(
      (answer) => answer.status,
      () => 0,
    );
  }

  async score(): Promise<string> {
    const answer = await fetch(`http://127.0.0.1:${this.port}/score`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"data": [[1,2,3,4,5,6,7,8,9,10]]}',
      signal: AbortSignal.timeout(60_000), // an answer that gets lost on its way out of a fresh container is no end
    });
    return `${answer.status} ${await answer.text()}`;
  }

  /** Polls; the test's own time limit ends it. One `docker wait` for all looks: a look with a process slows what it waits for. */
  async until(what: string, check: () => Promise<boolean>): Promise<void> {
    const ended = new AbortController();
    const wait = execa('docker', ['wait', this.id], { reject: false });
    void wait.then(() => ended.abort());
    try {
      while (!(await check())) {
        if (ended.signal.aborted) throw new Error(`${what}: the container ended\n${await this.logs()}`);
        await sleep(LOOK_MS);
      }
    } finally {
      wait.kill();
    }
  }

  async logs(): Promise<string> {
    const { all } = await execa('docker', ['logs', this.id], { all: true });
    return all;
  }

  /** The agent's service, as `user`. */
  async agent(user: string): Promise<Driver> {
    const child = spawn('docker', ['exec', '-i', '-u', user, this.id, `${KIT}/node`, `${KIT}/driver.cjs`]);
    const driver = new Driver(child);
    await driver.ready;
    return driver;
  }
}

interface Answer {
  readonly id?: number;
  readonly value?: unknown;
  readonly state?: ServiceState;
  readonly ready?: boolean;
}

export class Driver implements AsyncDisposable {
  readonly ready: Promise<void>;
  readonly states: ServiceState[] = [];
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #pending = new Map<number, { done: (value: unknown) => void; fail: (error: Error) => void }>();
  readonly #watchers = new Set<() => void>();
  #errors = '';
  #next = 1;

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    child.stderr.on('data', (text: Buffer) => (this.#errors += text.toString()));
    this.ready = new Promise((done, fail) => {
      child.once('exit', (code) => {
        const error = new Error(`the driver ended with ${code}: ${this.#errors}`);
        for (const pending of this.#pending.values()) pending.fail(error);
        fail(error);
      });
      createInterface({ input: child.stdout }).on('line', (line) => {
        const answer = JSON.parse(line) as Answer;
        if (answer.ready === true) done();
        if (answer.state !== undefined) this.states.push(answer.state);
        if (answer.id !== undefined) {
          this.#pending.get(answer.id)?.done(answer.value);
          this.#pending.delete(answer.id);
        }
        for (const watcher of this.#watchers) watcher();
      });
    });
  }

  do<T>(what: string, params: object = {}): Promise<T> {
    const id = this.#next++;
    return new Promise<T>((done, fail) => {
      this.#pending.set(id, { done: (value) => done(value as T), fail });
      this.#child.stdin.write(`${JSON.stringify({ id, do: what, ...params })}\n`);
    });
  }

  reload(): Promise<ReloadResult> {
    return this.do('reload');
  }

  /** The first state, from now on or already told, for which `check` holds. */
  until(check: (state: ServiceState) => boolean): Promise<ServiceState> {
    return new Promise((done) => {
      const look = () => {
        const found = this.states.find(check);
        if (found === undefined) return;
        this.#watchers.delete(look);
        done(found);
      };
      this.#watchers.add(look);
      look();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((done) => this.#child.once('exit', done));
    this.#child.stdin.end();
    await ended;
  }
}
