/** A debugger that answers in the serving worker, beside `import debugpy; listen` in a fresh process of the same container. */
import { finished } from 'node:stream/promises';
import { withLink } from '../console/commands/context.ts';
import { Reporter } from '../console/commands/report.ts';
import { forwardPort, toDebugger } from '../console/engine/forward.ts';
import type { Link } from '../console/engine/link.ts';
import { DapClient } from '../test/support/dap.ts';
import { median, timed, type Figure } from './support/figures.ts';
import { KIT, scene } from './support/scene.ts';

const ROUNDS = 15;

/** The same debugpy, as it lies there once a worker has used it. */
const BARE =
  'import glob, sys; sys.path.append(glob.glob("/dev/shm/drydock-debugpy-*")[0]); import debugpy; debugpy.listen(("127.0.0.1", 0))';

export async function debug(): Promise<Figure[]> {
  await using on = await scene();
  process.env['DRYDOCK_KIT'] = KIT;
  const [bare, ready]: [number[], number[]] = [[], []];
  const reporter = new Reporter(false, process.stdout, process.stderr, process.env);
  let first = 0;
  await withLink(reporter, on.name, {}, async ({ link }) => {
    await link.control.call('service.follow', { auto: false });
    const forward = await forwardPort(
      toDebugger(() => undefined),
      () => link.control,
    );
    const enter = async (): Promise<void> => {
      await link.control.call('service.debug', { on: true });
      using client = await DapClient.connect(forward.port);
      client[Symbol.dispose]();
    };
    for (let n = 0; n <= ROUNDS; n++) {
      // A worker that no debugger has entered.
      await link.control.call('service.debug', { on: false });
      const { value } = await link.control.call('service.reload', {});
      if (!value.ok) throw new Error('the code does not reload');
      const took = await timed(enter);
      if (n === 0) {
        first = took;
        continue;
      }
      ready.push(took);
      bare.push(await timed(() => listen(link)));
    }
    forward.close();
  });
  const ratio = median(ready) / median(bare);
  return [
    {
      title: 'Debugger',
      series: [
        { name: 'import debugpy; listen, in a fresh process', samples: bare },
        { name: 'in the serving worker, until it answers an editor', samples: ready },
      ],
      target: 'p50 ≤ 2 × of the bare one',
      text: `${ratio <= 2 ? 'Within the target.' : `Missed: ${ratio.toFixed(2)} ×.`} The very first time in a container, unpacked and compiled: ${Math.round(first)} ms.`,
    },
  ];
}

async function listen(link: Link): Promise<void> {
  const { stream } = await link.control.open('exec', { argv: ['python3', '-c', BARE] });
  stream.resume();
  const { exitCode } = (await stream.last) as { exitCode: number };
  await finished(stream).catch(() => undefined);
  if (exitCode !== 0) throw new Error(`the bare debugger ended with ${exitCode}`);
}
