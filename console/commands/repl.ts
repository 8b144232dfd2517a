/** `drydock repl`: a Python prompt in a fork of the serving worker, whose model is loaded; the service does not notice. */
import { DrydockError } from '../../shared/core/errors.ts';
import { promptIn } from '../engine/prompt.ts';
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
    if (given.command === undefined && !isTerminal) {
      throw new DrydockError('usage', 'A prompt needs a terminal.', { hint: 'Without one: drydock repl -c "CODE"' });
    }
    const argv = await promptIn(link, given.command);
    return given.command === undefined ? runShell(link.control, argv) : runCommand(link.control, argv);
  });
}
