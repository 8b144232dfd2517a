/** Shells and single commands, in the environment and as the user of the serving worker. */
import { spawn as spawnProcess } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { dirname } from 'node:path';
import { spawn as spawnPty } from 'node-pty';
import { DrydockError } from '../shared/core/errors.ts';
import { streams, type StreamOpened, type StreamParams } from '../shared/core/protocol.ts';
import type { MuxStream } from '../shared/link/mux-stream.ts';
import { userName } from './service/procfs.ts';
import type { ShellContext } from './service/worker.ts';
import { identity } from './service/worker.ts';

export function openShell(
  params: StreamParams<'shell'>,
  stream: MuxStream,
  context: ShellContext,
): StreamOpened<'shell'> {
  const [file, ...args] = params.argv ?? [findShell(context)];
  if (file === undefined) throw new DrydockError('usage', 'The command for the shell is empty.');
  const pty = spawnPty(file, args, {
    cols: params.columns,
    rows: params.rows,
    cwd: context.cwd,
    env: { ...userEnvironment(context), TERM: params.term, COLORTERM: 'truecolor' },
    encoding: null,
    ...identity(context),
  });
  pty.onData((data: string | Buffer) => {
    // Back pressure: what the console does not read stays in the pseudo terminal, and `yes` waits.
    if (!stream.write(data)) {
      pty.pause();
      stream.once('drain', () => pty.resume());
    }
  });
  stream.on('data', (data: Buffer) => pty.write(data));
  stream.onControl((value) => {
    const size = streams.shell.control.safeParse(value);
    if (size.success) pty.resize(size.data.columns, size.data.rows);
  });
  let exited = false;
  pty.onExit(({ exitCode, signal }) => {
    exited = true;
    stream.finish({ exitCode, ...(signal === undefined || signal === 0 ? {} : { signal }) });
  });
  stream.once('close', () => {
    if (!exited) pty.kill('SIGHUP');
  });
  return { pid: pty.pid, python: context.worker?.interpreter ?? null, cwd: context.cwd };
}

export function openCommand(
  params: StreamParams<'exec'>,
  stream: MuxStream,
  context: ShellContext,
): Promise<StreamOpened<'exec'>> {
  const [file, ...args] = params.argv;
  if (file === undefined) throw new DrydockError('usage', 'The command is empty.');
  const child = spawnProcess(file, args, {
    cwd: params.cwd ?? context.cwd,
    env: userEnvironment(context),
    stdio: 'pipe',
    detached: true,
    ...identity(context),
  });
  return new Promise((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new DrydockError(
          'io',
          `${file} cannot be run in the container: ${error.code === 'ENOENT' ? 'not found' : error.message}.`,
          {
            hint: 'Name a program that the image holds; PATH is the service’s own.',
          },
        ),
      ),
    );
    child.once('spawn', () => {
      child.stdout.pipe(stream, { end: false });
      child.stderr.pipe(stream, { end: false });
      stream.pipe(child.stdin);
      child.stdin.on('error', () => undefined); // it may have closed its stdin
      let done = false;
      child.once('close', (code, signal) => {
        done = true;
        stream.finish({ exitCode: code ?? (signal === null ? 1 : 128 + signalNumber(signal)) });
      });
      stream.once('close', () => {
        if (!done && child.pid !== undefined) killGroup(child.pid);
      });
      resolve({ pid: child.pid ?? 0 });
    });
  });
}

function userEnvironment(context: ShellContext): Record<string, string> {
  const path = context.env['PATH'] ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  const interpreter = context.worker?.interpreter ?? null;
  const bin = interpreter === null ? null : dirname(interpreter);
  const user = userName(context.uid);
  // `python` in the shell is the Python that serves.
  const first = bin === null || path.split(':')[0] === bin ? path : `${bin}:${path}`;
  return { HOME: '/', USER: user, LOGNAME: user, ...context.env, PATH: first };
}

function findShell(context: ShellContext): string {
  for (const shell of ['/bin/bash', '/usr/bin/bash', '/bin/sh', '/usr/bin/sh', '/bin/ash']) {
    try {
      accessSync(shell, constants.X_OK);
      return shell;
    } catch {
      // try the next
    }
  }
  throw new DrydockError('io', 'The container has no shell: none of bash, sh and ash is in it.', {
    hint: `Run a single command instead: drydock shell -- ${context.worker?.interpreter ?? 'PROGRAM'}`,
  });
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGHUP');
  } catch {
    // it ended meanwhile
  }
}

const SIGNALS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };
function signalNumber(signal: NodeJS.Signals): number {
  return SIGNALS[signal] ?? 0;
}
