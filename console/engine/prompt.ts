/** The command of a Python prompt in a fork of the serving worker. */
import type { Link } from './link.ts';

/** `code` is run instead of a prompt. The code on disk is booted anew where no worker can be forked yet. */
export async function promptIn({ control, facts }: Link, code: string | null = null): Promise<string[]> {
  const { pid, interpreter, entries } = (await control.call('service.door', {})).value;
  return [interpreter, `${facts.kitDir}/python/repl.py`, JSON.stringify({ pid, entries, code })];
}
