/** A key press in the container's shell until its echo, over the console's link: idle, and while a large file travels. */
import { createWriteStream, statSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEngineThread } from '../console/engine/thread.ts';
import type { Engine, Shell } from '../console/engine/view.ts';
import type { Figure } from './support/figures.ts';
import { APP_ROOT, ENGINE_WORKER, engineOptions, scene } from './support/scene.ts';

const KEYS = 300;
/** Between two keys; faster than anybody types. Milliseconds. */
const PAUSE = 10;
const SIZES = [20, 60, 200];
const MB = 1024 * 1024;

export async function keys(): Promise<Figure[]> {
  await using on = await scene(100);
  const engine = startEngineThread(ENGINE_WORKER, engineOptions(on));
  try {
    await synced(engine);
    const shell = await engine.shell({ columns: 80, rows: 24 });
    const echo = echoOf(shell);
    await echo('q');
    const figures: Figure[] = [];
    for (const size of SIZES) {
      const [idle, busy]: [number[], number[]] = [[], []];
      for (let n = 0; n < KEYS; n++) await press(echo, idle);
      const name = `large-${size}`;
      await fill(join(on.dir, name), size);
      const arrived = join(on.inside, APP_ROOT, name);
      let arrivedAt = 0;
      const started = performance.now();
      while (arrivedAt === 0) {
        await press(echo, busy);
        if (statSync(arrived, { throwIfNoEntry: false })?.size === size * MB) arrivedAt = performance.now();
      }
      figures.push({
        title: `A key press until its echo while a file of ${size} MB travels`,
        series: [
          { name: 'idle', samples: idle },
          { name: 'while the file travels to the container', samples: busy },
        ],
        tail: 99,
        target: 'p99 ≤ 3 × of the idle one',
        text: `The file travelled for ${((arrivedAt - started) / 1000).toFixed(1)} s.`,
      });
    }
    shell.close();
    return figures;
  } finally {
    await engine.close();
  }
}

async function press(echo: (key: string) => Promise<number>, samples: number[]): Promise<void> {
  samples.push(await echo('q'));
  await sleep(PAUSE);
}

/** Milliseconds until the shell shows the key. */
function echoOf(shell: Shell): (key: string) => Promise<number> {
  let heard: (text: string) => void = () => undefined;
  shell.onData((data) => heard(Buffer.from(data).toString()));
  return async (key) => {
    const { promise, resolve } = Promise.withResolvers<number>();
    const started = performance.now();
    heard = (text) => text.includes(key) && resolve(performance.now() - started);
    shell.write(Buffer.from(key));
    return promise;
  };
}

function synced(engine: Engine): Promise<void> {
  return new Promise((resolve) => engine.events((event) => event.event === 'ready' && resolve()));
}

async function fill(file: string, size: number): Promise<void> {
  const out = createWriteStream(file);
  const chunk = randomBytes(MB);
  for (let n = 0; n < size; n++) {
    chunk.writeUInt32BE(n);
    await new Promise((next) => out.write(Buffer.from(chunk), next));
  }
  await new Promise<void>((next) => out.end(next));
}
