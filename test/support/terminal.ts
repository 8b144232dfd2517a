/**
 * A program in a pseudo terminal, and what a person would see of it: node-pty into @xterm/headless.
 * Tests wait for text on the screen; a wait that runs out says what the screen was.
 */
import headless, { type Terminal as Emulator } from '@xterm/headless';
import { spawn, type IPty } from 'node-pty';

export interface TerminalOptions {
  readonly columns?: number;
  readonly rows?: number;
  readonly cwd?: string;
  /** Added to the environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Milliseconds until a wait gives up. */
const PATIENCE = 120_000;

export class Terminal implements AsyncDisposable {
  readonly #pty: IPty;
  readonly #emulator: Emulator;
  readonly #changed = new Set<() => void>();
  /** Resolves when the program has ended and all that it printed is on the screen. */
  readonly exited: Promise<{ readonly exitCode: number; readonly signal: number }>;
  /** All that the program printed, as it came. */
  output = '';

  private constructor(pty: IPty, emulator: Emulator) {
    this.#pty = pty;
    this.#emulator = emulator;
    const ended = Promise.withResolvers<{ exitCode: number; signal: number }>();
    this.exited = ended.promise;
    pty.onData((data) => {
      this.output += data;
      emulator.write(data, () => this.#news());
    });
    // Programs ask a terminal for its cursor and kind: it answers.
    emulator.onData((answer) => pty.write(answer));
    pty.onExit(({ exitCode, signal }) =>
      emulator.write('', () => {
        ended.resolve({ exitCode, signal: signal ?? 0 });
        this.#news();
      }),
    );
  }

  static start(command: readonly [string, ...string[]], options: TerminalOptions = {}): Terminal {
    const { columns = 80, rows = 24, cwd = process.cwd(), env = {} } = options;
    const [file, ...args] = command;
    const name = 'xterm-256color';
    const pty = spawn(file, args, {
      name,
      cols: columns,
      rows,
      cwd,
      env: { ...process.env, NO_COLOR: undefined, CI: undefined, ...env, TERM: name },
    });
    return new Terminal(pty, new headless.Terminal({ cols: columns, rows, allowProposedApi: true, scrollback: 1000 }));
  }

  get pid(): number {
    return this.#pty.pid;
  }

  /** Whether the alternate screen is shown. */
  get alternate(): boolean {
    return this.#emulator.buffer.active.type === 'alternate';
  }

  /** The rows on the screen, without trailing blanks. */
  lines(): string[] {
    const { active } = this.#emulator.buffer;
    return Array.from(
      { length: this.#emulator.rows },
      (_, row) => active.getLine(active.baseY + row)?.translateToString(true) ?? '',
    );
  }

  screen(): string {
    return this.lines().join('\n');
  }

  type(keys: string): void {
    this.#pty.write(keys);
  }

  resize(columns: number, rows: number): void {
    this.#emulator.resize(columns, rows);
    this.#pty.resize(columns, rows);
  }

  kill(signal: NodeJS.Signals): void {
    process.kill(this.#pty.pid, signal);
  }

  /** Until `wanted` is on the screen; resolves to the screen. */
  waitFor(wanted: string | RegExp, patience = PATIENCE): Promise<string> {
    return this.until((screen) => has(screen, wanted), `${String(wanted)} on the screen`, patience);
  }

  waitGone(unwanted: string | RegExp, patience = PATIENCE): Promise<string> {
    return this.until((screen) => !has(screen, unwanted), `${String(unwanted)} gone from the screen`, patience);
  }

  /** Until `test` holds for the screen; resolves to the screen. */
  async until(test: (screen: string) => boolean, what: string, patience = PATIENCE): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const look = () => {
      const screen = this.screen();
      if (test(screen)) resolve(screen);
    };
    const timer = setTimeout(() => {
      const rule = '-'.repeat(this.#emulator.cols);
      reject(new Error(`Waited ${patience} ms for ${what}. The screen was:\n${rule}\n${this.screen()}\n${rule}`));
    }, patience);
    this.#changed.add(look);
    look();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#changed.delete(look);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      process.kill(this.#pty.pid, 'SIGKILL');
    } catch {
      // it has ended
    }
    await this.exited;
    this.#emulator.dispose();
  }

  #news(): void {
    // In the middle of a synchronised update (DEC mode 2026) a person sees what was there before.
    if (this.#emulator.modes.synchronizedOutputMode) return;
    for (const look of this.#changed) look();
  }
}

function has(screen: string, wanted: string | RegExp): boolean {
  return typeof wanted === 'string' ? screen.includes(wanted) : wanted.test(screen);
}
