/** The command of a Python prompt in a fork of the serving worker, and what a program is told of code that ran there. */
import { z } from 'zod';
import type { Link } from './link.ts';

/** As agent/python/repl.py prints it. */
export const ranSchema = z.object({
  /** What the code printed, to either stream. */
  printed: z.string(),
  /** There was more. */
  cut: z.boolean(),
  /** `repr()` of the last expression; null where a prompt would show none. */
  value: z.string().nullable(),
  error: z.object({ type: z.string(), message: z.string(), traceback: z.string() }).nullable(),
});

export interface PromptOptions {
  /** Run instead of a prompt. */
  readonly code?: string | undefined;
  /** It prints what `ranSchema` describes. */
  readonly json?: boolean;
}

/** The code on disk is booted anew where no worker can be forked yet. */
export async function promptIn(
  { control, facts }: Link,
  { code, json = false }: PromptOptions = {},
): Promise<string[]> {
  const { pid, interpreter, entries } = (await control.call('service.door', {})).value;
  return [interpreter, `${facts.kitDir}/python/repl.py`, JSON.stringify({ pid, entries, code: code ?? null, json })];
}
