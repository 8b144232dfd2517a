/** All probes over an open link, beside one bare boot of the script: the server's own set-up, import and init(), then exit. */
import { finished } from 'node:stream/promises';
import { withLink } from '../console/commands/context.ts';
import { Reporter } from '../console/commands/report.ts';
import type { Link } from '../console/engine/link.ts';
import { runProbe } from '../console/engine/probe.ts';
import { median, timed, type Figure } from './support/figures.ts';
import { KIT, scene } from './support/scene.ts';

const ROUNDS = 15;

/** What azmlinfsrv does in a worker; the environment is the worker's. */
const BARE = 'from azureml_inference_server_http.server.create_app import create; create()';

export async function probe(): Promise<Figure[]> {
  await using on = await scene();
  process.env['DRYDOCK_KIT'] = KIT;
  const [bare, all]: [number[], number[]] = [[], []];
  const reporter = new Reporter(false, process.stdout, process.stderr, process.env);
  await withLink(reporter, on.name, {}, async ({ place, link }) => {
    await link.control.call('service.follow', { auto: false });
    await boot(link); // what is read for the first time is read from the disk
    for (let n = 0; n < ROUNDS; n++) {
      bare.push(await timed(() => boot(link)));
      all.push(
        await timed(async () => {
          const { ok, steps } = await runProbe(link, 'all', { engine: place.label });
          if (!ok) throw new Error(JSON.stringify(steps.filter((step) => !step.ok)));
        }),
      );
    }
  });
  const ratio = median(all) / median(bare);
  return [
    {
      title: 'All probes',
      series: [
        { name: 'one bare boot of the script', samples: bare },
        { name: 'drydock probe all, over an open link', samples: all },
      ],
      target: 'p50 ≤ 2 × of one bare boot',
      text: ratio <= 2 ? 'Within the target.' : `Missed: ${ratio.toFixed(2)} ×.`,
    },
  ];
}

async function boot(link: Link): Promise<void> {
  const { stream } = await link.control.open('exec', { argv: ['python3', '-c', BARE] });
  stream.resume();
  const { exitCode } = (await stream.last) as { exitCode: number };
  await finished(stream).catch(() => undefined);
  if (exitCode !== 0) throw new Error(`the bare boot ended with ${exitCode}`);
}
