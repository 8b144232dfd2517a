/** `npm run demo -- [--keep] [--stop] [--yes]` */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

export interface DemoOptions {
  /** The script leaves the container running. */
  readonly keep: boolean;
  /** Removes what an earlier demo left, and ends. */
  readonly stop: boolean;
  /** True when a person is there: the console opens instead of the script. */
  readonly terminal: boolean;
  /** Where the copy of the sample is made. */
  readonly dir: string;
}

export function readOptions(argv: readonly string[], terminal: boolean): DemoOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: { keep: { type: 'boolean' }, stop: { type: 'boolean' }, yes: { type: 'boolean' } },
  });
  return {
    keep: values.keep === true,
    stop: values.stop === true,
    terminal,
    dir: join(homedir(), 'drydock-demo', 'diabetes'),
  };
}
