/** The only part of the UI that talks to the engine: its news become messages, effects become calls. */
import { DrydockError } from '../../shared/core/errors.ts';
import type { Engine, LogLine, Shell, ShellSize } from '../engine/view.ts';
import { LOG_LINES } from './logs.ts';
import type { Clock } from './loop.ts';
import type { Effect, Message, Outcome } from './message.ts';

/** What effects need of the terminal. */
export interface TerminalPort {
  copy(text: string): void;
  /**
   * Opens a shell, gives it the terminal once it is there, and takes the terminal back when it has ended.
   * Resolves to its exit code, null when the user left it.
   */
  shell(open: (size: ShellSize) => Promise<Shell>, hint: string, opened: () => void): Promise<number | null>;
  quit(): void;
}

export interface EffectsOptions {
  readonly engine: Engine;
  readonly terminal: TerminalPort;
  readonly clock: Clock;
  readonly dispatch: (message: Message) => void;
  /** A bug: what is not a DrydockError must not be swallowed. */
  readonly fail: (error: unknown) => void;
}

/** Log lines are handed on this often, in milliseconds. */
const LOG_MS = 50;

export class Effects {
  readonly #options: EffectsOptions;
  readonly #stops: (() => void)[] = [];
  #lines: LogLine[] = [];
  #cancelLines: (() => void) | null = null;

  constructor(options: EffectsOptions) {
    this.#options = options;
  }

  /** Begins to listen to the engine. */
  open(): void {
    const { engine, dispatch } = this.#options;
    this.#stops.push(
      engine.subscribe((view) => dispatch({ type: 'view', view })),
      engine.events((event) => dispatch({ type: 'event', event })),
      engine.logs((lines) => this.#collect(lines)),
    );
  }

  close(): void {
    for (const stop of this.#stops) stop();
    this.#cancelLines?.();
  }

  run(effect: Effect): void {
    const { engine, terminal, dispatch } = this.#options;
    switch (effect.do) {
      case 'reload':
        return this.#ask(engine.reload(), (outcome) => dispatch({ type: 'reloaded', outcome }));
      case 'probe':
        return this.#ask(engine.probe('all'), (outcome) => dispatch({ type: 'probed', outcome }));
      case 'profile':
        return this.#ask(engine.probe('init', true), (outcome) => dispatch({ type: 'probed', outcome }));
      case 'models':
        return this.#ask(engine.toggleModels(), (outcome) => dispatch({ type: 'models-asked', outcome }));
      case 'preview':
        return this.#ask(engine.commitPreview(), (outcome) =>
          dispatch({ type: 'previewed', ticket: effect.ticket, outcome }),
        );
      case 'commit':
        return this.#ask(engine.commit(effect.tag), (outcome) =>
          dispatch({ type: 'committed', ticket: effect.ticket, outcome }),
        );
      case 'run':
        return this.#ask(engine.run(effect.image), (outcome) =>
          dispatch({ type: 'started', ticket: effect.ticket, outcome }),
        );
      case 'shell':
        return this.#ask(
          terminal.shell(
            (size) => engine.shell(size, effect.what),
            effect.hint,
            () => dispatch({ type: 'shell-opened' }),
          ),
          (outcome) =>
            dispatch({
              type: 'shell-ended',
              outcome: outcome.ok ? { ok: true, value: { exitCode: outcome.value } } : outcome,
            }),
        );
      case 'score':
        return this.#ask(engine.score(), (outcome) => dispatch({ type: 'scored', outcome }));
      case 'exchange': {
        const { id } = effect;
        return this.#ask(engine.exchange(id), (outcome) => dispatch({ type: 'fetched-request', id, outcome }));
      }
      case 'replay': {
        const { id } = effect;
        return this.#ask(engine.replay(id), (outcome) => dispatch({ type: 'replayed', id, outcome }));
      }
      case 'replay-all':
        return this.#ask(engine.replayAll(), (outcome) => dispatch({ type: 'replayed-all', outcome }));
      case 'load':
        return this.#ask(engine.load(effect.rate, effect.seconds), (outcome) => dispatch({ type: 'loaded', outcome }));
      case 'stop-asking':
        return this.#ask(engine.stopAsking(), (outcome) => dispatch({ type: 'asking-stopped', outcome }));
      case 'hold':
        return this.#ask(engine.holdForDebugger(), (outcome) => dispatch({ type: 'debug-asked', outcome }));
      case 'listen':
        return this.#ask(engine.toggleListen(), (outcome) => dispatch({ type: 'debug-asked', outcome }));
      case 'debug':
        return this.#ask(engine.toggleDebug(), (outcome) => dispatch({ type: 'debug-asked', outcome }));
      case 'list-undoable':
        return this.#ask(engine.undoable(), (outcome) => dispatch({ type: 'undoable', outcome }));
      case 'undo': {
        const { id } = effect;
        return this.#ask(engine.undo(id), (outcome) => dispatch({ type: 'undone', id, outcome }));
      }
      case 'compare': {
        const { kept } = effect;
        return this.#ask(engine.compare(kept), (outcome) => dispatch({ type: 'compared', kept, outcome }));
      }
      case 'settle': {
        const { kept, take } = effect;
        return this.#ask(engine.settle(kept, take), (outcome) => dispatch({ type: 'settled', kept, take, outcome }));
      }
      case 'copy':
        return terminal.copy(effect.text);
      case 'answer':
        return engine.answer(effect.question, effect.value);
      case 'quit':
        return terminal.quit();
    }
  }

  #ask<T>(work: Promise<T>, then: (outcome: Outcome<T>) => void): void {
    work
      .then(
        (value) => then({ ok: true, value }),
        (error: unknown) => {
          if (!(error instanceof DrydockError)) throw error;
          const { message, hint } = error;
          then({ ok: false, trouble: hint === undefined ? { message } : { message, hint } });
        },
      )
      .catch(this.#options.fail);
  }

  /** A flood costs one message per LOG_MS and no more than what the pane can hold. */
  #collect(lines: readonly LogLine[]): void {
    for (const line of lines) this.#lines.push(line);
    if (this.#lines.length > 2 * LOG_LINES) this.#lines = this.#lines.slice(-LOG_LINES);
    this.#cancelLines ??= this.#options.clock.after(LOG_MS, () => {
      this.#cancelLines = null;
      const batch = this.#lines.slice(-LOG_LINES);
      this.#lines = [];
      this.#options.dispatch({ type: 'logs', lines: batch });
    });
  }
}
