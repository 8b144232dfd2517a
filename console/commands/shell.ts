/** `drydock shell`: a terminal in the container, or one command with its exit code. */
import type { StreamLast } from '../../shared/core/protocol.ts';
import type { Peer } from '../../shared/link/peer.ts';
import { withLink } from './context.ts';
import type { Reporter } from './report.ts';

export interface ShellFlags {
  readonly root?: string;
}

export async function shell(
  reporter: Reporter,
  ref: string | undefined,
  command: readonly string[],
  flags: ShellFlags,
): Promise<number> {
  return withLink(reporter, ref, flags, ({ link }) =>
    command.length > 0 || !process.stdin.isTTY || !process.stdout.isTTY
      ? runCommand(link.control, command)
      : runShell(link.control),
  );
}

/** Standard input goes in, what it prints comes out, and `out` ends with it. Resolves with its exit code. */
export async function runCommand(
  peer: Peer,
  command: readonly string[],
  out: NodeJS.WritableStream = process.stdout,
): Promise<number> {
  // Without a terminal and without a command, the script comes on stdin.
  const argv = command.length > 0 ? [...command] : ['/bin/sh'];
  const { stream } = await peer.open('exec', { argv });
  process.stdin.pipe(stream);
  stream.pipe(out, { end: out !== process.stdout });
  const last = (await stream.last) as StreamLast<'exec'> | undefined;
  process.stdin.unpipe(stream).destroy();
  return last?.exitCode ?? 1;
}

const DETACH = 0x1d; // Ctrl-]

/** `argv` in a terminal; the user's shell when absent. */
export async function runShell(peer: Peer, argv?: readonly string[]): Promise<number> {
  const { stdin, stdout } = process;
  const size = () => ({ columns: stdout.columns, rows: stdout.rows });
  const { stream } = await peer.open('shell', {
    ...size(),
    ...(argv !== undefined && { argv: [...argv] }),
    term: process.env['TERM'] ?? 'xterm-256color',
  });
  const onResize = () => stream.control(size());
  const onKeys = (keys: Buffer) => {
    const at = keys.indexOf(DETACH);
    if (at < 0) stream.write(keys);
    else stream.destroy();
  };
  stdin.setRawMode(true);
  stdin.on('data', onKeys);
  stdout.on('resize', onResize);
  onResize(); // it may have changed since the shell was asked for
  try {
    stream.on('data', (data: Buffer) => {
      if (!stdout.write(data)) {
        stream.pause();
        stdout.once('drain', () => stream.resume());
      }
    });
    const last = (await stream.last) as StreamLast<'shell'> | undefined;
    return last?.exitCode ?? 0;
  } finally {
    stdout.off('resize', onResize);
    stdin.off('data', onKeys);
    stdin.setRawMode(false);
    stdin.destroy(); // else it keeps the process
  }
}
