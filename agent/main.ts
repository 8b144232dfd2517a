/**
 * The agent's verbs:
 *   serve     the daemon in the foreground; waits while another one runs (runit keeps it so)
 *   start     a daemon in the background unless one runs
 *   connect   copies stdin and stdout to the daemon, starting it if need be
 *   stop      ends the daemon that runs
 *   read-worker PID   a helper that runs as the worker's user and prints what only that user may read
 */
import { closeSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { bridge, clearStale, dial, holder, READY, restrict, startDaemon, stopDaemon, takeLock } from './daemon.ts';
import { agentPlace, type AgentPlace } from './place.ts';
import { probeModelPath } from './probes/model-path.ts';
import { serve, type AgentServer } from './server.ts';
import { createService } from './service/service.ts';
import { readWorkerMain } from './service/read-worker.ts';

/** Digest of the build; the bundler puts it in. */
declare const DRYDOCK_BUILD: string;

async function main(): Promise<void> {
  const [verb, ...rest] = process.argv.slice(2);
  if (verb === 'read-worker') return readWorkerMain(rest);
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
      return runDaemon(place, values);
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

async function runDaemon(
  place: AgentPlace,
  values: { root?: string | undefined; way: string; 'ready-fd'?: string | undefined },
): Promise<void> {
  process.chdir('/'); // holds no folder of the user
  const log = (text: string) => process.stderr.write(`${new Date().toISOString()} ${text}\n`);
  const wayIn = values.way === 'baked' || values.way === 'volume' ? values.way : 'injected';
  const starter = values['ready-fd'] === undefined ? null : Number(values['ready-fd']);
  let lock = await takeLock(place);
  while (lock === null) {
    // Another daemon was faster. Who was started for a console is no longer needed; who runs under runit stands by.
    const seen = await holder(place, starter === null ? 'gone' : 'ready');
    if (seen === 'ready' && starter !== null) return void writeSync(starter, READY);
    lock = await takeLock(place);
  }
  clearStale(place);
  const service = await createService({
    kitDir: place.kitDir,
    self: [process.execPath, place.bundle],
    ...(values.root === undefined ? {} : { root: values.root }),
    log,
  });
  let server: AgentServer | null = null;
  const quit = (code: number) => {
    void (async () => {
      await server?.close();
      await service.detach();
      await rm(place.stateDir, { recursive: true, force: true });
      process.exit(code);
    })();
  };
  server = await serve({
    socket: place.socket,
    build: DRYDOCK_BUILD,
    facts: () => ({
      version: DRYDOCK_BUILD,
      pid: process.pid,
      uid: process.getuid?.() ?? 0,
      root: service.root().path,
      rootReason: service.root().reason,
      wayIn,
      kitDir: place.kitDir,
    }),
    service,
    probeModelPath: async (question) => probeModelPath(place.kitDir, await service.workerContext(), question),
    log,
    quit: () => quit(0),
    dropKit: async () => {
      if (wayIn !== 'injected') return false;
      return rm(place.kitDir, { recursive: true }).then(
        () => true,
        () => false,
      );
    },
  });
  restrict(place);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => quit(0));
  process.on('SIGHUP', () => undefined); // `finish` may send it to every process of runit
  lock.announceReady();
  if (starter !== null) {
    writeSync(starter, READY);
    closeSync(starter);
  }
  log(`serving on ${place.socket}`);
}

main().catch((error: unknown) => {
  process.stderr.write(`drydock agent: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(70);
});
