/** The figures of `edit` while a console repaints its screen for a log that floods: `drydock attach` in a pseudo terminal. */
import { execa } from 'execa';
import { Terminal } from '../test/support/terminal.ts';
import { measureEdits } from './edit.ts';
import type { Figure } from './support/figures.ts';
import { DRYDOCK, scene, syncing } from './support/scene.ts';

const SIZES = [200, 2_000, 10_000];
/** What begins each repaint: a synchronised update (DEC mode 2026). */
const FRAME = '\x1b[?2026h';

export async function repaint(): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const files of SIZES) figures.push(...(await repaintOf(files)));
  return figures;
}

async function repaintOf(files: number): Promise<Figure[]> {
  await using on = await scene(files);
  // With a history there is no question.
  await (await syncing(on, '--no-reload'))[Symbol.asyncDispose]();
  await using terminal = Terminal.start(
    [process.execPath, DRYDOCK, 'attach', on.name, '--dir', on.dir, '--no-reload'],
    { columns: 120, rows: 40, env: on.env },
  );
  await terminal.waitFor(/● (?!connecting)/);
  terminal.type('2');
  const flood = execa('docker', ['exec', on.name, 'sh', '-c', FLOOD], { reject: false });
  try {
    await terminal.waitFor('a line of the log');
    const [painted, since] = [terminal.output.split(FRAME).length, performance.now()];
    const figures = await measureEdits(on, files, `${files} files, while the screen repaints`);
    const rate = ((terminal.output.split(FRAME).length - painted) / (performance.now() - since)) * 1000;
    return figures.map((figure) => ({ ...figure, text: `The screen was painted ${rate.toFixed(0)} times a second.` }));
  } finally {
    flood.kill();
    await flood;
  }
}

/** Into the container's own output, fifty lines a second. */
const FLOOD = 'while :; do echo "a line of the log: $(date +%N)" > /proc/1/fd/1; sleep 0.02; done';
