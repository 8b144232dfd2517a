/** The container's shell has the whole terminal: raw bytes both ways, until it ends or Ctrl-] is typed. */
import type { SuspendTerminal } from 'ink';
import type { Shell, ShellSize } from '../engine/view.ts';
import type { Display } from './display.ts';
import type { Keyboard } from './keyboard.ts';

export interface ShellOptions {
  readonly keyboard: Keyboard;
  readonly display: Display;
  readonly suspend: SuspendTerminal;
  readonly open: (size: ShellSize) => Promise<Shell>;
  /** Printed before it. */
  readonly hint: string;
  readonly opened: () => void;
  /** Ends it as Ctrl-] does. */
  readonly signal: AbortSignal;
}

/** Resolves to the shell's exit code; null when the user left it or never got it. */
export async function runShell(options: ShellOptions): Promise<number | null> {
  const { keyboard, display, suspend, open, hint, opened, signal } = options;
  const left = Promise.withResolvers<null>();
  const leave = () => left.resolve(null);
  // What is typed before the shell is there is for the shell.
  const early: Buffer[] = [];
  let onKeys = (bytes: Buffer): void => {
    if (bytes.includes(CTRL_C) || leaves(bytes) >= 0) leave();
    else early.push(bytes);
  };
  const giveBack = keyboard.divert((bytes) => onKeys(bytes));
  signal.addEventListener('abort', leave, { once: true });
  try {
    const opening = open(display.size);
    const shell = await Promise.race([opening, left.promise]);
    if (shell === null) {
      void opening.then(
        (late) => late.close(),
        () => undefined, // nobody waits for it any more
      );
      return null;
    }
    opened();
    onKeys = (bytes) => {
      const at = leaves(bytes);
      if (at < 0) shell.write(bytes);
      else {
        if (at > 0) shell.write(bytes.subarray(0, at));
        leave();
      }
    };
    let exitCode: number | null = null;
    await suspend(async () => {
      const resize = () => shell.resize(display.size);
      let attached = true;
      display.write(`${hint}\r\n`);
      shell.onData((data) => {
        if (attached) display.write(data);
      });
      display.on('resize', resize);
      resize(); // it may have changed since the shell was asked for
      for (const bytes of early) shell.write(bytes);
      try {
        const exit = await Promise.race([shell.exited, left.promise]);
        exitCode = exit === null ? null : exit.exitCode;
      } finally {
        attached = false;
        display.off('resize', resize);
        if (exitCode === null) shell.close();
        display.write(exitCode === null ? `${SOUND}\u001b[9999;1H\r\n` : SOUND);
      }
    });
    return exitCode;
  } finally {
    giveBack();
    signal.removeEventListener('abort', leave);
  }
}

const CTRL_C = 0x03;
const CTRL_BRACKET = 0x1d;
/** The same key from a terminal in which a program has turned on the kitty protocol. */
const KITTY_CTRL_BRACKET = Buffer.from('\u001b[93;5u');

/** Where in `bytes` the key lies that leaves the shell; -1 where it does not. */
function leaves(bytes: Buffer): number {
  const at = bytes.indexOf(CTRL_BRACKET);
  return at >= 0 ? at : bytes.indexOf(KITTY_CTRL_BRACKET);
}

/**
 * Undoes what a program that was cut off may have left behind: attributes, scroll region and keypad (DECSTR), mouse,
 * focus and paste reports, the kitty keyboard, the alternate screen (1047, which leaves the cursor where it is).
 */
const SOUND =
  '\u001b[?1000l\u001b[?1002l\u001b[?1003l\u001b[?1004l\u001b[?1006l\u001b[?2004l\u001b[<u\u001b[?1047l\u001b[!p\u001b[?7h\u001b[?25h';
