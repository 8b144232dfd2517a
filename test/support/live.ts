/** The real thing for tests: the built `drydock`, scoring containers, and host folders with the sample's sources. */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { scoringImage, type Variant } from './images.ts';
import { OWNER_ARGS } from './leftovers.ts';
import { Terminal } from './terminal.ts';

const CHECKOUT = resolve(import.meta.dirname, '../..');
const DRYDOCK = join(CHECKOUT, 'dist', 'drydock.js');
export const SAMPLE = join(CHECKOUT, 'examples', 'diabetes');

/** A test's own folder for a copy of the sample, for state and for whatever else it makes. */
export class Workspace implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), 'drydock-live-'));
  /** The host's copy of the app. */
  readonly app = join(this.dir, 'app');
  readonly stateDir = join(this.dir, 'state');
  readonly env: Readonly<Record<string, string>> = { XDG_STATE_HOME: this.stateDir, INIT_CWD: this.dir };

  /** The sources as the image has them. */
  constructor() {
    cpSync(SAMPLE, this.app, { recursive: true });
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export interface LiveOptions {
  readonly image?: string;
  readonly name?: string;
  /** Further words of `docker run`. */
  readonly args?: readonly string[];
  /** After the image. */
  readonly command?: readonly string[];
  /** Not published: 5001 is reached only over the link. */
  readonly unpublished?: boolean;
  /** The service is not waited for. */
  readonly cold?: boolean;
}

let serial = 0;

/** A scoring container that is removed at the end of its test, whatever became of it. */
export class LiveContainer implements AsyncDisposable {
  readonly name: string;
  readonly id: string;

  private constructor(name: string, id: string) {
    this.name = name;
    this.id = id;
  }

  static async start(variant: Variant, options: LiveOptions = {}): Promise<LiveContainer> {
    const image = options.image ?? (await scoringImage(variant));
    serial += 1;
    const name = options.name ?? `drydock-live-${process.pid}-${serial}`;
    const publish = options.unpublished === true ? [] : ['-p', '127.0.0.1::5001'];
    const { stdout: id } = await execa('docker', [
      ...['run', '-d', '--name', name, ...OWNER_ARGS, ...publish, ...(options.args ?? []), image],
      ...(options.command ?? []),
    ]);
    const container = new LiveContainer(name, id);
    if (options.cold !== true && options.unpublished !== true) await container.untilServes();
    return container;
  }

  async scoreUrl(): Promise<string> {
    const { stdout } = await execa('docker', ['port', this.name, '5001']);
    return `http://127.0.0.1:${stdout.split('\n')[0]?.split(':').at(-1)}/score`;
  }

  async untilServes(): Promise<void> {
    const url = await this.scoreUrl();
    // Each question for itself: an answer that gets lost on its way out of a container that has just started is no end.
    const asked = () => score(url, AbortSignal.timeout(LOST));
    await until(`${this.name} answers`, async () => (await asked()).status === 200).catch(async (error: unknown) => {
      const { all } = await execa('docker', ['logs', '--tail', '50', this.name], { all: true, reject: false });
      throw new Error(`${String(error)}\n${all}`, { cause: error });
    });
  }

  /** A command in the container, as its own user. */
  async exec(...argv: string[]): Promise<string> {
    return (await execa('docker', ['exec', this.name, ...argv])).stdout;
  }

  /** SIGKILL to every process whose command line has `words`: images have no pkill. */
  async killInside(words: string): Promise<void> {
    const script =
      'for d in /proc/[0-9]*; do case "$(tr "\\0" " " <$d/cmdline 2>/dev/null)" in *sh\\ -c*) ;; *"$1"*) kill -9 ${d#/proc/};; esac; done';
    await execa('docker', ['exec', '-u', '0', this.name, 'sh', '-c', script, 'sh', words], { reject: false });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await execa('docker', ['rm', '-f', '-v', this.name], { reject: false });
  }
}

export const REQUEST = JSON.stringify({
  data: [
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    [10, 9, 8, 7, 6, 5, 4, 3, 2, 1],
  ],
});

/** Milliseconds after which an answer is taken for lost. */
const LOST = 20_000;

export async function score(url: string, signal?: AbortSignal): Promise<{ status: number; body: string }> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      body: REQUEST,
      headers: { 'content-type': 'application/json' },
      ...(signal === undefined ? {} : { signal }),
    });
    return { status: response.status, body: await response.text() };
  } catch {
    return { status: 0, body: '' };
  }
}

/** How long a test waits for what it looks for before it gives up. Milliseconds. */
const PATIENCE = 120_000;

/** Looks until `holds`; what it waits for has no event of its own that a test could hear. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`Waited ${PATIENCE} ms until ${what}.`);
    await new Promise((next) => setTimeout(next, 20));
  }
}

/** The console in a terminal. */
export function console(
  argv: readonly string[],
  workspace: Pick<Workspace, 'dir' | 'env'>,
  size: { columns?: number; rows?: number } = {},
): Terminal {
  return Terminal.start([process.execPath, DRYDOCK, ...argv], { ...size, cwd: workspace.dir, env: workspace.env });
}

/** A verb to its end. */
export async function drydock(
  argv: readonly string[],
  workspace: Pick<Workspace, 'dir' | 'env'>,
  input = '',
): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const { exitCode, stdout, stderr } = await execa(process.execPath, [DRYDOCK, ...argv], {
    cwd: workspace.dir,
    env: workspace.env,
    input,
    reject: false,
  });
  return { exitCode: exitCode ?? -1, stdout, stderr };
}

export type JsonEvent = Readonly<Record<string, unknown>> & { readonly event?: string };

/** A verb that goes on, its JSON lines as they come. */
export class Running implements AsyncDisposable {
  readonly events: JsonEvent[] = [];
  readonly exited: Promise<number>;
  readonly pid: number;
  stderr = '';
  /** Each event, as it comes. */
  heard: (event: JsonEvent) => void = () => undefined;
  readonly #kill: (signal: NodeJS.Signals) => void;

  constructor(argv: readonly string[], workspace: Workspace, env: Readonly<Record<string, string>> = {}) {
    const child = spawn(process.execPath, [DRYDOCK, ...argv], {
      cwd: workspace.dir,
      env: { ...process.env, ...workspace.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.pid = child.pid ?? 0;
    child.stderr.on('data', (data: Buffer) => (this.stderr += data.toString()));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const event = JSON.parse(line) as JsonEvent;
      this.events.push(event);
      this.heard(event);
    });
    this.exited = new Promise((done) =>
      child.once('close', (code, signal) => done(signal === null ? (code ?? -1) : -1)),
    );
    this.#kill = (signal) => child.kill(signal);
  }

  kill(signal: NodeJS.Signals): void {
    this.#kill(signal);
  }

  /** The first event that matches, now or later. */
  async event(what: string, matches: (event: JsonEvent) => boolean): Promise<JsonEvent> {
    let found: JsonEvent | undefined;
    const seen = () => {
      found = this.events.find(matches);
      return found !== undefined;
    };
    try {
      await until(`${what} is told`, seen);
    } catch (error) {
      throw new Error(`${String(error)}\nTold was: ${JSON.stringify(this.events.slice(-20))}\n${this.stderr}`, {
        cause: error,
      });
    }
    return found ?? {};
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kill('SIGKILL');
    await this.exited;
  }
}
