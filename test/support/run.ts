/** A container that `drydock run` made. */
import { execa } from 'execa';
import { uniqueName } from './engine.ts';
import { drydock, Workspace } from './live.ts';

interface Told {
  readonly container: string;
  readonly name: string;
  readonly scoreUrl: string;
  readonly stage: string;
  readonly alive?: boolean;
  readonly error?: { readonly type: string; readonly message: string; readonly file: string; readonly line: number };
}

/** Gone at the end of its test. */
export class Run implements AsyncDisposable {
  readonly name = uniqueName('run');
  readonly workspace = new Workspace();
  told: Told = { container: '', name: '', scoreUrl: '', stage: '' };
  exitCode = -1;
  stderr = '';

  async run(image: string, ...flags: string[]): Promise<this> {
    const argv = ['run', image, '--name', this.name, '--json', ...flags];
    const { exitCode, stdout, stderr } = await drydock(argv, this.workspace);
    Object.assign(this, { exitCode, stderr, told: JSON.parse(stdout) as Told });
    return this;
  }

  inside(...argv: string[]): Promise<string> {
    return execa('docker', ['exec', this.name, ...argv]).then(({ stdout }) => stdout);
  }

  async isRunning(): Promise<boolean> {
    return (await execa('docker', ['inspect', '-f', '{{.State.Running}}', this.name])).stdout === 'true';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await execa('docker', ['rm', '-f', '-v', this.name], { reject: false });
    this.workspace[Symbol.dispose]();
  }
}
