/** The daemon in the foreground: takes the lock, finds the service, listens. */
import { closeSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { clearStale, holder, READY, restrict, takeLock } from './daemon.ts';
import type { PythonFailure } from '../shared/core/service.ts';
import { hideLeanness } from './lean.ts';
import type { AgentPlace } from './place.ts';
import { bootId } from '../shared/link/machine.ts';
import { RequestLog } from './requests/log.ts';
import { Requests } from './requests/requests.ts';
import { Probes } from './probes/run.ts';
import type { AgentServer } from './server.ts';
import { mountPoints } from './service/procfs.ts';
import { createService } from './service/service.ts';

/** Digest of the build; the bundler puts it in. */
declare const DRYDOCK_BUILD: string;

export async function runDaemon(
  place: AgentPlace,
  values: { root?: string | undefined; way: string; 'ready-fd'?: string | undefined },
): Promise<void> {
  hideLeanness();
  process.chdir('/'); // holds no folder of the user
  const log = (text: string) => process.stderr.write(`${new Date().toISOString()} ${text}\n`);
  const wayIn = mountPoints().includes(place.kitDir) ? 'volume' : values.way === 'baked' ? 'baked' : 'injected';
  const starter = values['ready-fd'] === undefined ? null : Number(values['ready-fd']);
  let lock = await takeLock(place);
  while (lock === null) {
    // Another daemon was faster. Who was started for a console is no longer needed; who runs under runit stands by.
    const seen = await holder(place, starter === null ? 'gone' : 'ready');
    if (seen === 'ready' && starter !== null) return void writeSync(starter, READY);
    lock = await takeLock(place);
  }
  clearStale(place);
  const self = [process.execPath, place.bundle] as const;
  // The service is looked for by helper processes: what the link needs is loaded meanwhile.
  let explain = (failure: PythonFailure): PythonFailure => failure; // until the service is there
  const requestLog = new RequestLog((failure) => explain(failure));
  const looking = createService({
    onCaptured: (captured) => requestLog.captured(captured),
    kitDir: place.kitDir,
    build: DRYDOCK_BUILD,
    self,
    ...(values.root === undefined ? {} : { root: values.root }),
    log,
  });
  const { serve } = await import('./server.ts');
  const service = await looking;
  explain = (failure) => service.access.explained(failure);
  const requests = new Requests(service.access, requestLog);
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
      bootId: bootId(),
    }),
    service,
    requests,
    probes: new Probes({ kitDir: place.kitDir, self, service, requests }),
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
