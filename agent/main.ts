/**
 * The agent's verbs:
 *   serve     the daemon in the foreground; waits while another one runs (runit keeps it so)
 *   start     a daemon in the background unless one runs
 *   connect   copies stdin and stdout to the daemon, starting it if need be
 *   stop      ends the daemon that runs
 *   prepare COMMAND   launch.sh's: holds the service that COMMAND will start
 *   become COMMAND   launch.sh's: becomes what it was told to start
 *   read-worker PID   a helper that runs as the worker's user and prints what only that user may read
 */
import { parseArgs } from 'node:util';
import { bridge, dial, startDaemon, stopDaemon } from './daemon.ts';
import { agentPlace } from './place.ts';
import { readWorkerMain } from './service/inner.ts';

async function main(): Promise<void> {
  const [verb, ...rest] = process.argv.slice(2);
  if (verb === 'read-worker') return readWorkerMain(rest);
  if (verb === 'prepare') {
    const { prepareLaunch } = await import('./launch.ts');
    process.stdout.write((await prepareLaunch(rest, process.env)) ?? '');
    return;
  }
  if (verb === 'become') {
    (await import('./become.ts')).become(rest, process.env);
    return;
  }
  const { values } = parseArgs({
    args: rest,
    options: {
      root: { type: 'string' },
      way: { type: 'string', default: 'injected' },
      'ready-fd': { type: 'string' },
    },
  });
  const bundle = process.argv[1];
  if (bundle === undefined) throw new Error('started without its bundle');
  const place = agentPlace(bundle);
  const passOn = [...(values.root === undefined ? [] : ['--root', values.root]), '--way', values.way];
  switch (verb) {
    case 'serve':
      // Loaded for the daemon alone: a bridge is started for each attach, and must be there at once.
      return (await import('./serve.ts')).runDaemon(place, values);
    case 'start': {
      const socket = await dial(place);
      if (socket === null) await startDaemon(place, passOn);
      socket?.destroy();
      return;
    }
    case 'stop':
      return stopDaemon(place);
    case 'connect': {
      let socket = await dial(place);
      if (socket === null) {
        await startDaemon(place, passOn);
        socket = await dial(place);
      }
      if (socket === null) throw new Error('the daemon listens no more');
      await bridge(socket);
      return process.exit(0); // stdin may still be open: nothing else ends it
    }
    default:
      process.stderr.write('drydock agent: serve | start | connect | stop\n');
      process.exit(2);
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`drydock agent: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(70);
});
