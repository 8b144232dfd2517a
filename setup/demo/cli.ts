/** `drydock` as a user calls it: a process, its JSON lines and its exit code. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { CHECKOUT } from '../sample.ts';

const PROGRAM = join(CHECKOUT, 'dist', 'drydock.js');

export interface Said {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Cli {
  run(...args: string[]): Promise<Said>;
  sync(...args: string[]): SyncProcess;
  /** Hands the terminal over. */
  attach(...args: string[]): Promise<number>;
}

/** One line of `drydock sync --json`; fields by event. */
export type SyncEvent = Readonly<Record<string, unknown>> & { readonly event?: unknown };

export interface SyncProcess {
  /** The next event, also among those that came already, that fits. Rejects when the process ends before. */
  wait(what: string, fits: (event: SyncEvent) => boolean): Promise<SyncEvent>;
  /** Forgets what came so far: `wait` is for what comes next. */
  forget(): void;
  stop(): Promise<void>;
}

export function createCli(env: NodeJS.ProcessEnv): Cli {
  const start = (args: readonly string[], stdio: 'inherit' | 'pipe') =>
    spawn(process.execPath, [PROGRAM, ...args], { env, stdio: stdio === 'pipe' ? ['ignore', 'pipe', 'pipe'] : stdio });
  return {
    run(...args) {
      const child = start(args, 'pipe');
      const said = { stdout: '', stderr: '' };
      child.stdout?.on('data', (data: Buffer) => (said.stdout += data.toString()));
      child.stderr?.on('data', (data: Buffer) => (said.stderr += data.toString()));
      return new Promise((resolve, reject) => {
        child.once('error', reject);
        child.once('close', (code) => resolve({ exitCode: code ?? 1, ...said }));
      });
    },
    attach(...args) {
      const child = start(args, 'inherit');
      process.on('SIGINT', () => undefined); // the console's to handle
      return new Promise((resolve, reject) => {
        child.once('error', reject);
        child.once('close', (code) => resolve(code ?? 1));
      });
    },
    sync(...args) {
      return new Sync(start([...['sync'], ...args, '--json'], 'pipe'));
    },
  };
}

class Sync implements SyncProcess {
  readonly #child: ReturnType<typeof spawn>;
  readonly #ended: Promise<void>;
  #events: SyncEvent[] = [];
  #waiting: (() => void) | null = null;
  #over = false;
  #stderr = '';

  constructor(child: ReturnType<typeof spawn>) {
    this.#child = child;
    child.stderr?.on('data', (data: Buffer) => (this.#stderr += data.toString()));
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on('line', (line) => {
        this.#events.push(parse(line));
        this.#waiting?.();
      });
    }
    this.#ended = new Promise((resolve) => {
      child.once('close', () => {
        this.#over = true;
        this.#waiting?.();
        resolve();
      });
    });
  }

  async wait(what: string, fits: (event: SyncEvent) => boolean): Promise<SyncEvent> {
    for (;;) {
      const event = this.#events.find(fits);
      if (event !== undefined) return event;
      if (this.#over) throw new Error(`drydock sync ended before ${what}: ${this.#stderr.trim() || 'it said nothing'}`);
      await new Promise<void>((resolve) => (this.#waiting = resolve));
    }
  }

  forget(): void {
    this.#events = [];
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#ended;
  }
}

function parse(line: string): SyncEvent {
  const value: unknown = JSON.parse(line);
  if (typeof value !== 'object' || value === null) throw new Error(`drydock sync printed no object: ${line}`);
  return { ...value };
}
