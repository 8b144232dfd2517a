/** Tracebacks as Python prints them, for failures that nothing reported but the output. */
import type { Frame, PythonFailure } from './service.ts';

export const START = 'Traceback (most recent call last):';
const FRAME = /^\s*File "(.+)", line (\d+)(?:, in (.+))?$/;
const LAST = /^([A-Za-z_][\w.]*)(?:: (.*))?$/;

/** Python's own and installed packages, Azure's old server and Drydock itself are not the user's. */
const FOREIGN =
  /^<|[\\/](?:site|dist)-packages[\\/]|\/lib(?:64)?\/python[\d.]+\/|\/opt\/drydock\/|\/var\/azureml-server\//;

/** Whether a file of a traceback can't be the user's own, where only its path is known. */
export const isForeign = (file: string): boolean => FOREIGN.test(file);

/**
 * The last traceback in `text`, which may stand behind a logger's prefix; null when there is none. `isUser` tells
 * whether a file is the user's own.
 */
export function parseTraceback(text: string, isUser: (file: string) => boolean): PythonFailure | null {
  const begin = text.lastIndexOf(START);
  if (begin < 0) return null;
  const lines = text.slice(begin).split(/\r?\n/);
  const frames: Frame[] = [];
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i] ?? '';
    const frame = FRAME.exec(line);
    if (frame !== null) {
      const [, file = '', number = '0', name = '<module>'] = frame;
      const next = lines[i + 1] ?? '';
      const code = /^\s{4}/.test(next) && !FRAME.test(next) ? { code: next.trim() } : {};
      frames.push({ file, line: Number(number), function: name, ...code, user: isUser(file) });
      continue;
    }
    const last = /^\s/.test(line) ? null : LAST.exec(line);
    if (last === null) continue;
    const [, type = '', message = ''] = last;
    const traceback = `${lines.slice(0, i + 1).join('\n')}\n`;
    return { type: type.split('.').at(-1) ?? type, message, traceback, frames };
  }
  return null;
}

/** Python prints the cause of an exception before the exception. */
export const LINKED = /(?:direct cause of the following exception|another exception occurred):$/;

/**
 * The last traceback in `text`, or, where no frame of it is the user's own, what caused it: servers raise an exception
 * of theirs from the user's.
 */
export function parseCause(text: string, isUser: (file: string) => boolean): PythonFailure | null {
  const last = parseTraceback(text, isUser);
  let rest = text;
  for (let failure = last; failure !== null; failure = parseTraceback(rest, isUser)) {
    if (failure.frames.some(({ user }) => user)) return failure;
    rest = rest.slice(0, rest.lastIndexOf(START)).trimEnd();
    if (!LINKED.test(rest)) break;
  }
  return last;
}
