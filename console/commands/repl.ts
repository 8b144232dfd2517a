/** `drydock repl`: a Python prompt in a fork of the serving worker, whose model is loaded; the service does not notice. */
import { PassThrough } from 'node:stream';
import type { z } from 'zod';
import { DrydockError } from '../../shared/core/errors.ts';
import type { Peer } from '../../shared/link/peer.ts';
import { promptIn, ranSchema } from '../engine/prompt.ts';
import { wishesOf, withLink, type ServiceFlags } from './context.ts';
import type { Reporter } from './report.ts';
import { runCommand, runShell } from './shell.ts';

export interface ReplFlags extends ServiceFlags {
  /** Python to run instead of a prompt; its last expression is printed. */
  readonly command?: string;
}

export async function repl(reporter: Reporter, ref: string | undefined, given: ReplFlags): Promise<number> {
  return withLink(reporter, ref, given, async ({ link, flags }) => {
    await link.control.call('service.follow', { auto: false, ...(await wishesOf(flags)) });
    const isTerminal = process.stdin.isTTY && process.stdout.isTTY;
    if (given.command === undefined && reporter.json) {
      throw new DrydockError('usage', '--json is for code that is given.', { hint: 'drydock repl -c "CODE" --json' });
    }
    if (given.command === undefined && !isTerminal) {
      throw new DrydockError('usage', 'A prompt needs a terminal.', { hint: 'Without one: drydock repl -c "CODE"' });
    }
    const argv = await promptIn(link, { code: given.command, json: reporter.json });
    if (given.command === undefined) return runShell(link.control, argv);
    return reporter.json ? tell(reporter, link.control, argv) : runCommand(link.control, argv);
  });
}

/** Characters; agent/python/repl.py tells less. */
const MAX_TOLD = 16 * 1024 * 1024;

async function tell(reporter: Reporter, peer: Peer, argv: readonly string[]): Promise<number> {
  const out = new PassThrough();
  const [exitCode, text] = await Promise.all([runCommand(peer, argv, out), bounded(out)]);
  const ran = ranIn(text);
  if (ran === null) {
    throw new DrydockError('io', `The code did not run: ${text.trim().slice(-1000) || `exit code ${exitCode}`}`, {
      hint: 'Look whether the service is well: drydock probe health',
    });
  }
  reporter.answer({ ...ran, exitCode }, '');
  return exitCode;
}

async function bounded(out: PassThrough): Promise<string> {
  let text = '';
  for await (const part of out.setEncoding('utf8')) if (text.length < MAX_TOLD) text += String(part);
  return text;
}

function ranIn(text: string): z.infer<typeof ranSchema> | null {
  try {
    return ranSchema.parse(JSON.parse(text));
  } catch {
    return null; // why there was no fork
  }
}
