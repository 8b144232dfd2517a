/** What a large tree costs: attaching to it with a history, an edit in it, memory, and doing nothing. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { compileIgnore } from '../shared/core/sync/ignore.ts';
import { openDisk } from '../shared/disk/disk.ts';
import { timed, type Figure } from './support/figures.ts';
import { measureEdits } from './edit.ts';
import { agentPid, cpuSeconds, residentMb } from './support/process.ts';
import { APP_ROOT, DRYDOCK, scene, syncing } from './support/scene.ts';

const ROUNDS = 5;
const SIZES = [2_000, 10_000, 20_000];
const IDLE_SECONDS = 60;
/** After work each end tidies up once, which is no standing by. */
const TIDY_SECONDS = 10;

export async function large(): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const size of SIZES) figures.push(...(await largeOf(size)));
  return figures;
}

async function largeOf(size: number): Promise<Figure[]> {
  await using on = await scene(size);
  const root = join(on.inside, APP_ROOT);
  const [scan, link, attach]: [number[], number[], number[]] = [[], [], []];
  // The first makes the history.
  await syncing(on, '--no-reload').then((sync) => sync[Symbol.asyncDispose]());
  for (let n = 0; n < ROUNDS; n++) {
    scan.push(await timed(() => bareScan(on.dir).then(() => bareScan(root))));
    link.push(await timed(() => execa(process.execPath, [DRYDOCK, 'shell', on.name, '--', 'true'], { env: on.env })));
    const started = performance.now();
    await using _sync = await syncing(on, '--no-reload');
    attach.push(performance.now() - started);
  }
  await using sync = await syncing(on, '--no-reload');
  const agent = agentPid(on);
  const edits = await measureEdits(on, size);
  await sleep(TIDY_SECONDS * 1000);
  const before = [cpuSeconds(sync.pid), cpuSeconds(agent)] as const;
  await sleep(IDLE_SECONDS * 1000);
  const cpu = [sync.pid, agent].map((pid, at) => ((cpuSeconds(pid) - (before[at] ?? 0)) / IDLE_SECONDS) * 100);
  return [
    {
      title: `Attaching to ${size} files in ${size / 40} folders, with a history`,
      series: [
        { name: 'one bare look at both sides', samples: scan },
        { name: 'drydock sync until ready', samples: attach },
        { name: 'drydock shell -- true: of it, attaching', samples: link },
      ],
      target: 'p50 ≤ 1.5 × of the bare look',
    },
    ...edits,
    {
      title: `Standing by with ${size} files`,
      series: [],
      target: 'below 0.5 % of a core on each side, the agent at most 80 MB resident',
      text:
        `Over ${IDLE_SECONDS} s, from ${TIDY_SECONDS} s after the last edit: console ${cpu[0]?.toFixed(2)} % of a core, ${residentMb(sync.pid).toFixed(0)} MB; ` +
        `agent ${cpu[1]?.toFixed(2)} %, ${residentMb(agent).toFixed(0)} MB.`,
    },
  ];
}

async function bareScan(root: string): Promise<void> {
  const disk = await openDisk({ root, ignored: compileIgnore([]) });
  await disk.scan();
  await disk.close();
}
