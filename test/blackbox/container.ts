/** A folder on this machine and one in a real container, under the built `drydock sync`. */
import { join } from 'node:path';
import { execa } from 'execa';
import { drydock, LiveContainer, Running, Workspace } from '../support/live.ts';
import { addBallast } from './folders.ts';
import type { Arena } from './run.ts';

const APP = '/var/azureml-app';
/** What is worked in lies beside the service's sources: those stay as they are. */
const BOX = 'box';

export async function openContainer(): Promise<Arena> {
  const stack = new AsyncDisposableStack();
  const workspace = stack.use(new Workspace());
  const container = stack.use(await LiveContainer.start('plain-user'));
  const { app } = workspace;
  addBallast(join(app, BOX));
  const flags = ['sync', container.name, '--dir', app, '--json', '--union', '--no-reload'];
  const running = stack.use(new Running(flags, workspace));
  await running.event('sync', ({ event }) => event === 'ready');
  const { stdout: pid } = await execa('docker', ['inspect', '-f', '{{.State.Pid}}', container.id]);
  return {
    // Through the kernel, not through the engine: programs of the container's user at full speed.
    folders: { host: join(app, BOX), container: join('/proc', pid, 'root', APP, BOX) },
    kept: [join(workspace.dir, 'state')],
    settle: async () => {
      running.kill('SIGTERM');
      const ended = await running.exited;
      if (ended !== 0) {
        throw new Error(`sync ended with ${ended}: ${JSON.stringify(running.events.at(-1))} ${running.stderr}`);
      }
      // An agent that closes its folder looks for late writes: what it finds is told to the next console.
      const { exitCode, stdout, stderr } = await drydock([...flags, '--once'], workspace);
      if (exitCode !== 0 && exitCode !== 5) throw new Error(`sync ended with ${exitCode}: ${stdout}${stderr}`);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
