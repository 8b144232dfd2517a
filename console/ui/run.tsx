/** Runs the console on a terminal, and gives the terminal back as it was, however the console ends. */
import process from 'node:process';
import { render, type SuspendTerminal } from 'ink';
import { DrydockError } from '../../shared/core/errors.ts';
import { Effects, type TerminalPort } from '../app/effects.ts';
import { farewell } from '../app/farewell.ts';
import { Loop, type Clock } from '../app/loop.ts';
import { initialState } from '../app/state.ts';
import type { Engine } from '../engine/view.ts';
import { App } from './app.tsx';
import { Display } from './display.ts';
import { Keyboard } from './keyboard.ts';
import { runShell } from './shell.ts';
import { themeFor } from './theme.ts';

export interface ConsoleIo {
  /** A terminal, like `stdout`. */
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** How to come back, without the container's name; `drydock attach` by default. */
  readonly attachCommand?: string;
  readonly clock?: Clock;
}

/**
 * Shows the console until the user leaves it, a signal ends it or the link fails for good. The engine stays open: who
 * opened it closes it.
 *
 * Resolves to the exit code. Throws the DrydockError of a link that never came up, and what is a bug.
 */
export async function runConsole(engine: Engine, io: ConsoleIo): Promise<number> {
  const { stdin, stdout, env, clock = systemClock, attachCommand = 'drydock attach' } = io;
  const ended = Promise.withResolvers<number>();
  const fail = (error: unknown) => ended.reject(error instanceof Error ? error : new Error(String(error)));
  const keyboard = new Keyboard(stdin);
  const display = new Display(stdout);
  const shells = new AbortController();
  const suspend = Promise.withResolvers<SuspendTerminal>();
  let shell: Promise<unknown> = Promise.resolve();

  const terminal: TerminalPort = {
    copy: (text) => display.write(`\u001b]52;c;${Buffer.from(text).toString('base64')}\u0007`),
    shell: async (open, hint, opened) => {
      const session = suspend.promise.then((handOver) =>
        runShell({ keyboard, display, suspend: handOver, open, hint, opened, signal: shells.signal }),
      );
      shell = session.catch(() => undefined); // its caller hears of it
      return session;
    },
    quit: () => ended.resolve(0),
  };
  const loop: Loop = new Loop(
    initialState({ now: clock.now(), size: display.size, home: env['HOME'] ?? '' }),
    clock,
    (effect) => effects.run(effect),
  );
  const effects = new Effects({ engine, terminal, clock, dispatch: loop.dispatch, fail });

  const onResize = () => loop.dispatch({ type: 'size', size: display.size });
  const onTerminate = () => ended.resolve(143);
  const onHangUp = () => ended.resolve(129);
  const onGone = () => {
    display.abandon();
    onHangUp();
  };
  process.on('SIGTERM', onTerminate).on('SIGHUP', onHangUp).on('uncaughtException', fail);
  display.open(onResize, onGone);
  keyboard.open(onGone);
  const ink = render(<App loop={loop} theme={themeFor(env)} typedAhead={keyboard.hold} onReady={suspend.resolve} />, {
    stdin: keyboard.stream,
    stdout: display,
    interactive: true,
    alternateScreen: true,
    incrementalRendering: true,
    exitOnCtrlC: false,
    patchConsole: false,
    maxFps: 30,
  });
  ink.waitUntilExit().catch(fail);
  effects.open();
  try {
    const code = await ended.promise;
    const { view, everUp } = loop.state;
    if (view?.link.phase !== 'failed') return code;
    const error = DrydockError.fromInfo(view.link.error);
    if (!everUp) throw error;
    return code === 0 ? error.exitCode : code;
  } finally {
    effects.close();
    loop.close();
    // A shell gives the terminal back first, or Ink would leave an alternate screen that it is not in.
    shells.abort();
    await shell;
    ink.unmount();
    await ink.waitUntilExit().catch(() => undefined); // an error of Ink's is already the reason for the end
    keyboard.close();
    process.off('SIGTERM', onTerminate).off('uncaughtException', fail);
    // SIGHUP stays handled: the input's end may be noticed first, and the caller must still be able to clean up.
    const words = loop.state.everUp ? `${farewell(loop.state.view, attachCommand)}\n` : '';
    await new Promise((written) => display.write(words, written));
    display.close(onGone);
  }
}

const systemClock: Clock = {
  now: Date.now,
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
