/** The figures of `edit` while a console repaints its screen for a log that floods: `drydock attach` in a pseudo terminal. */
import { execa } from 'execa';
import { setTimeout as sleep } from 'node:timers/promises';
import { Terminal } from '../test/support/terminal.ts';
import { measureEdits } from './edit.ts';
import type { Figure } from './support/figures.ts';
import { DRYDOCK, scene } from './support/scene.ts';

const FILES = 2_000;

export async function repaint(): Promise<Figure[]> {
  await using on = await scene(FILES);
  // One that all of this container's logs come from: process 1 writes to the container's own output.
  await using terminal = Terminal.start(
    [process.execPath, DRYDOCK, 'attach', on.name, '--dir', on.dir, '--no-reload'],
    { columns: 120, rows: 40, env: on.env },
  );
  await terminal.waitFor(/host .* container|⇄|\? /, 60_000);
  const flood = execa('docker', ['exec', on.name, 'sh', '-c', FLOOD], { reject: false });
  try {
    await sleep(3_000);
    const [painted, since] = [terminal.output.length, performance.now()];
    process.stderr.write(`${terminal.screen()}\n`);
    const figures = await measureEdits(on, FILES, 'while the screen repaints');
    const seconds = (performance.now() - since) / 1000;
    process.stderr.write(`${((terminal.output.length - painted) / seconds / 1000).toFixed(0)} kB/s painted\n`);
    return figures;
  } finally {
    flood.kill();
    await flood;
  }
}

const FLOOD = 'while :; do echo "a line of the log: $(date +%N)" > /proc/1/fd/1; sleep 0.02; done';
