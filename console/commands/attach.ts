import { join } from 'node:path';
import { DrydockError } from '../../shared/core/errors.ts';
import { startEngineThread } from '../engine/thread.ts';
import { chooseContainer, complete, engineOptions, openPlace, type EngineFlags } from './context.ts';
import type { Reporter } from './report.ts';

export type AttachFlags = EngineFlags;

export async function attach(_reporter: Reporter, named: string | undefined, given: AttachFlags): Promise<number> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new DrydockError('usage', 'The console needs a terminal.', {
      hint: 'Without one use: drydock sync CONTAINER --dir FOLDER --json',
    });
  }
  // The screen's libraries load while the engine is asked for the container.
  const screen = import('../ui/run.tsx');
  screen.catch(() => undefined); // awaited below, unless the container is not there
  const { ref, flags } = await complete(named, given);
  const place = await openPlace();
  let name: string;
  try {
    // A container that is not there is said in one line, not on a screen that opens and closes.
    name = await chooseContainer(place, ref);
    await place.open(name);
  } finally {
    await place.close();
  }
  const worker = join(import.meta.dirname, 'engine-worker.js');
  const engine = startEngineThread(worker, await engineOptions(name, flags, 'ask', 'ask'));
  try {
    const { runConsole } = await screen;
    return await runConsole(engine, { stdin: process.stdin, stdout: process.stdout, env: process.env });
  } finally {
    await engine.close();
  }
}
