/** `drydock debug`: a debugger in the serving worker, at a port of this machine, until the verb is ended. */
import { resolve } from 'node:path';
import { DrydockError } from '../../shared/core/errors.ts';
import type { DebuggerState, ServiceState } from '../../shared/core/service.ts';
import type { MuxStream } from '../../shared/link/mux-stream.ts';
import { DialledEditor } from '../engine/dialled.ts';
import { forwardPort, toDebugger, type Forward } from '../engine/forward.ts';
import { writeLaunch, type Launch } from '../engine/launch-json.ts';
import { describeReload } from '../text/reload.ts';
import { describeDebugger, describeLaunch, offer } from '../text/debug.ts';
import { complete, userDir, wishesOf, withLink, type Attached, type ServiceFlags } from './context.ts';
import type { Reporter } from './report.ts';

export interface DebugFlags extends ServiceFlags {
  readonly dir?: string;
  readonly debugPort: number;
  /** Hold the code before its import until a client has come. */
  readonly wait?: boolean;
  /** Seconds. */
  readonly timeout: number;
  /** The worker dials out, as AZUREML_DEBUG_PORT makes it. */
  readonly listen?: boolean;
  /** False: no launch.json. */
  readonly launch?: boolean;
}

export async function debug(reporter: Reporter, named: string | undefined, given: DebugFlags): Promise<number> {
  const { ref, flags } = await complete(named, given);
  const over = Promise.withResolvers<number>();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => over.resolve(0));
  const session = new Debugging(reporter, flags);
  const work = async (attached: Attached): Promise<number> => {
    await attached.link.control.call('service.follow', { auto: false, ...(await wishesOf(attached.flags)) });
    try {
      const ready = flags.listen === true ? await session.listen(attached) : await session.connect(attached);
      if (!ready) return 1;
      const lost = attached.link.closed.then((reason) => Promise.reject(reason));
      return await Promise.race([over.promise, lost]);
    } finally {
      session.close();
    }
  };
  return withLink(reporter, ref, flags, work, {
    onEvent: (name, value) => {
      if (name === 'service') session.heard(value as ServiceState);
    },
    bulkService: { open: (_kind, _params, stream) => session.dialled(stream) },
  });
}

class Debugging {
  readonly #reporter: Reporter;
  readonly #flags: DebugFlags;
  readonly #editor: DialledEditor;
  #forward: Forward | null = null;
  #shown: DebuggerState | null = null;
  #reload: number | null = null;

  constructor(reporter: Reporter, flags: DebugFlags) {
    this.#reporter = reporter;
    this.#flags = flags;
    const { debugPort: port, timeout } = flags;
    this.#editor = new DialledEditor({
      port,
      timeoutMs: timeout * 1000,
      onWaiting: () =>
        reporter.answer(
          { event: 'dialled', connected: false },
          `a worker has dialled out and waits ${timeout} s for the editor: F5`,
        ),
      onConnected: () => reporter.answer({ event: 'dialled', connected: true }, 'the editor has the worker'),
      onGivenUp: () => reporter.answer({ event: 'released' }, 'no editor came: the worker goes on without a debugger'),
    });
  }

  /** False where no debugger listens. */
  async connect(attached: Attached): Promise<boolean> {
    const { link } = attached;
    const { debugPort, wait, timeout } = this.#flags;
    this.#forward = await forwardPort(
      toDebugger((reason) => this.#stopped(reason)),
      () => link.control,
      debugPort,
    ).catch((error: unknown) => taken(debugPort, error));
    this.#reporter.step(wait === true ? 'booting the code on disk once more …' : 'asking the serving worker …');
    const { value: state } = await link.control.call('service.debug', {
      on: true,
      ...(wait === true && { wait: timeout }),
    });
    this.#tell(state, state.pid === null ? null : await this.#launch(attached, 'connect'));
    return state.pid !== null;
  }

  async listen(attached: Attached): Promise<boolean> {
    const { debugPort } = this.#flags;
    const { value } = await attached.link.control.call('debug.listen', { port: debugPort });
    if (value.told !== String(debugPort)) {
      const is = value.told === null ? 'is not set' : `is ${value.told}`;
      throw new DrydockError('usage', `AZUREML_DEBUG_PORT ${is} in the service: no worker dials port ${debugPort}.`, {
        hint:
          value.told === null
            ? 'Without it the debugger is entered the other way round: drydock debug, without --listen.'
            : `drydock debug --listen --debug-port ${value.told}`,
      });
    }
    const launch = await this.#launch(attached, 'listen');
    const told = launch === null ? '' : `; ${describeLaunch(launch)} lets the editor listen`;
    const next =
      'each worker that starts from now on dials it: F5 in the editor, then drydock reload or a save; ' +
      'before it serves it answers the last good request, which stands at your breakpoints, too';
    this.#reporter.answer(
      { event: 'listening', port: debugPort, launch },
      `port ${debugPort} of the container leads to port ${debugPort} of this machine${told}\n${next}`,
    );
    return true;
  }

  async dialled(stream: MuxStream): Promise<never> {
    await this.#editor.take(stream);
    return {} as never;
  }

  /** What is new since the last time. */
  heard({ debugger: state, lastReload }: ServiceState): void {
    if (this.#shown === null || state === null) return;
    if (lastReload !== null && lastReload.at !== this.#reload) {
      this.#reload = lastReload.at;
      this.#reporter.answer(
        { event: 'reloaded', ok: lastReload.ok, ms: lastReload.ms, stage: lastReload.stage },
        describeReload(lastReload),
      );
    }
    this.#tell(state, null);
  }

  #stopped(reason: string | null): void {
    this.#reporter.answer(
      { event: reason === null ? 'continued' : 'stopped', ...(reason !== null && { reason }) },
      reason === null ? 'the worker goes on' : `the worker stands (${reason}); it is not ended for that`,
    );
  }

  close(): void {
    this.#forward?.close();
  }

  #tell(state: DebuggerState, launch: Launch | null): void {
    const before = this.#shown;
    this.#shown = state;
    const port = this.#forward?.port ?? 0;
    const { pid, version, own, clients, waitsUntil, trouble } = state;
    if (before === null || pid !== before.pid || trouble !== before.trouble) {
      const lines = [describeDebugger(state, port)];
      if (launch !== null) lines.push(describeLaunch(launch));
      const wanted = before === null ? offer(state) : null;
      if (wanted !== null) lines.push(wanted);
      if (before === null && pid !== null) lines.push('it follows the worker over reloads; Ctrl-C ends it');
      this.#reporter.answer(
        {
          event: 'debugging',
          pid,
          port,
          version,
          own,
          ...(trouble !== null && { trouble }),
          ...(launch !== null && { launch }),
        },
        lines.join('\n'),
      );
    }
    if (waitsUntil !== (before?.waitsUntil ?? null)) {
      const words =
        waitsUntil === null
          ? 'the code is loaded'
          : `the code is held before its import for a client, for ${Math.round((waitsUntil - Date.now()) / 1000)} s`;
      this.#reporter.answer({ event: 'waiting', until: waitsUntil }, words);
    }
    if (clients !== (before?.clients ?? 0)) {
      this.#reporter.answer(
        { event: 'clients', clients },
        clients > 0 ? 'a debugger has come' : 'the debugger has gone',
      );
    }
  }

  /** Null where none is wanted; one that cannot be written is told, and the debugger is there all the same. */
  async #launch({ link, container }: Attached, way: 'connect' | 'listen'): Promise<Launch | null> {
    if (this.#flags.launch === false) return null;
    const dir = resolve(userDir(), this.#flags.dir ?? '.');
    const port = this.#forward?.port ?? this.#flags.debugPort;
    try {
      return await writeLaunch({ name: container.name, port, way, dir, root: link.facts.root });
    } catch (error) {
      if (!(error instanceof DrydockError)) throw error;
      this.#reporter.step(`${error.message}\n  ${error.hint ?? ''}`);
      return null;
    }
  }
}

function taken(port: number, cause: unknown): never {
  const words = cause instanceof Error ? cause.message : String(cause);
  throw new DrydockError('taken', `Port ${port} of this machine cannot be had for the debugger: ${words}.`, {
    hint: 'Name another one: --debug-port 5679 (the editor’s launch.json follows).',
    cause,
  });
}
