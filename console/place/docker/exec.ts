/** A process in a container over one raw connection: back pressure, half-close where the platform has it. */
import { Duplex, type Readable, finished, pipeline } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { DrydockError } from '../../../shared/core/errors.ts';
import type { SpawnOptions, Stdio } from '../place.ts';
import type { Connection } from './connection.ts';
import { Demultiplexer } from './demux.ts';

/**
 * Rejects with not-running or no-container. A program that is not there is no error here: the engine prints why to
 * stdout and the exit code is 126 or 127.
 */
export async function spawn(
  connection: Connection,
  container: { readonly id: string; readonly name: string },
  argv: readonly string[],
  options: SpawnOptions,
): Promise<Stdio> {
  const what = `run ${argv[0] ?? 'a program'} in ${container.name}`;
  const exec = await connection.ask(
    what,
    (docker) =>
      docker.getContainer(container.id).exec({
        AttachStdin: true,
        AttachStdout: true,
        AttachStderr: true,
        Tty: false,
        Cmd: [...argv],
        ...(options.user === undefined ? {} : { User: options.user }),
        ...(options.cwd === undefined ? {} : { WorkingDir: options.cwd }),
        ...(options.env === undefined
          ? {}
          : { Env: Object.entries(options.env).map(([name, value]) => `${name}=${value}`) }),
      }),
    container.name,
  );
  // Without hijack, what is written before the answer comes is lost, and there is no back pressure.
  const start = () => exec.start({ hijack: true, stdin: true, Tty: false, Detach: false });
  const socket = connection.keep(await connection.ask(what, start, container.name));
  const demux = new Demultiplexer();
  const stdio = new ExecStdio(socket, demux);
  const ended = new Promise<void>((resolve) => pipeline(socket, demux, () => resolve()));
  const exit = ended.then(() => exitCode(connection, exec, what, stdio));
  // Whoever does not ask for the exit code is not told about its loss either.
  exit.catch(() => undefined);
  return { stdio, stderr: demux.stderr, exit };
}

class ExecStdio extends Duplex {
  readonly #socket: Duplex;
  readonly #stdout: Readable;

  constructor(socket: Duplex, stdout: Readable) {
    super();
    this.#socket = socket;
    this.#stdout = stdout;
    stdout.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) stdout.pause();
    });
    finished(stdout, (error) => {
      if (error === undefined || error === null) this.push(null);
      else this.destroy(error);
    });
  }

  override _read(): void {
    this.#stdout.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}

/** The engine notes the exit a moment after stdout has ended, and there is nothing to wait on but asking. */
async function exitCode(
  connection: Connection,
  exec: { inspect(): Promise<{ Running: boolean; ExitCode: number | null }> },
  what: string,
  stdio: Duplex,
): Promise<number> {
  for (let wait = 1, waited = 0; ; wait = Math.min(wait * 2, 250)) {
    const { Running, ExitCode } = await connection.ask(`${what}, or learn how it ended`, () => exec.inspect());
    if (!Running && ExitCode !== null) return ExitCode;
    if (stdio.destroyed && waited > 10_000) {
      throw new DrydockError('link-lost', `Left ${what} alone: it goes on although its input has ended.`);
    }
    await delay(wait, undefined, { signal: connection.closing });
    waited += wait;
  }
}
