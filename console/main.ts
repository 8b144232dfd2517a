/** `drydock`: reads argv and environment, loads the verb that was asked for, and turns errors into exit codes. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { AttachFlags } from './commands/attach.ts';
import type { BuildFlags } from './commands/build.ts';
import type { CommitFlags } from './commands/commit.ts';
import type { ConflictFlags } from './commands/conflicts.ts';
import type { ServiceFlags } from './commands/context.ts';
import type { ReplicaFlags } from './commands/replicas.ts';
import type { DebugFlags } from './commands/debug.ts';
import type { ReplFlags } from './commands/repl.ts';
import type { ReloadFlags } from './commands/reload.ts';
import type { LogFlags } from './commands/logs.ts';
import type { ProbeFlags } from './commands/probe.ts';
import type { ReviveFlags } from './commands/revive.ts';
import type { ReplayFlags } from './commands/replay.ts';
import type { ScoreFlags } from './commands/score.ts';
import type { RunFlags } from './commands/run.ts';
import type { ShellFlags } from './commands/shell.ts';
import type { SyncFlags } from './commands/sync.ts';
import type { UndoFlags } from './commands/undo.ts';
import { Reporter } from './commands/report.ts';

const OLDEST_NODE = 22;
if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE) {
  process.stderr.write(`drydock: Node ${process.versions.node} is too old; it needs ${OLDEST_NODE} or newer.\n`);
  process.stderr.write('  In a checkout, `npm run -s drydock -- VERB` brings its own.\n');
  process.exit(2);
}

/** Of the package, with the build, which console and agent must have in common. */
declare const DRYDOCK_VERSION: string;

const program = new Command('drydock')
  .description('Debug a live Azure ML scoring container: edit on the host, answer from the container.')
  .version(DRYDOCK_VERSION, '-V, --version', 'the version and build')
  .helpCommand(false)
  .showHelpAfterError('(`drydock --help` lists the verbs, `drydock VERB --help` explains one)')
  .exitOverride();

const json = () => new Option('--json', 'one JSON object a line on stdout; text for people goes to stderr');
const port = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 65_535) throw new InvalidArgumentError('a port is 1 to 65535.');
  return value;
};
const seconds = (text: string): number => {
  const value = Number(text);
  if (!(value > 0 && value <= 2_000_000)) throw new InvalidArgumentError('seconds are a number above 0.');
  return value;
};
const positive = (text: string): number => {
  const value = Number(text);
  if (text.trim() === '' || !(value > 0 && value < 1e9)) throw new InvalidArgumentError('it is a number above 0.');
  return value;
};
const part = (text: string): number => {
  const value = Number(text);
  if (!(value >= 0.01 && value <= 1)) throw new InvalidArgumentError('it is a part of 1: 0.01 to 1, such as 0.7.');
  return value;
};
const whole = (text: string): number => {
  const value = Number(text);
  if (!(Number.isInteger(value) && value >= 1 && value <= 10_000)) {
    throw new InvalidArgumentError('it is a whole number from 1.');
  }
  return value;
};
const words = (text: string): string[] => text.split(',').filter(Boolean);
const again = (text: string, all: readonly string[] = []): string[] => [...all, text];
const example = (...lines: string[]) => `\nExample:\n${lines.map((line) => `  $ ${line}`).join('\n')}`;
const serviceFlags = (command: Command) =>
  command
    .option('--root <dir>', 'the app’s folder in the container, when it is not the one that is found')
    .option('--port <port>', 'the port on which the service listens in the container', port)
    .option('--score-path <path>', 'the scoring route (default: /score)')
    .option('--health-path <path>', 'the route that says whether the service is well (default: /)')
    .option('--sample <file>', 'the request that new code answers before it serves (default: the last good one)')
    .option('--no-gate', 'new code serves without having answered a request first')
    .option('--no-hook', 'leave gunicorn alone: new code is tried in a process of its own, then a HUP loads it')
    .option('--no-warm', 'each new worker imports every package itself')
    .option('--no-capture', 'keep no request to the service, and so no last good one either')
    .option('--no-locals', 'failures do not show the variables of their frames')
    .option('--redact <words>', 'names whose values are not shown, beside passwords, tokens and keys: a,b', words);

/** An action with the reporter in front; its exit code becomes the process's. */
function action<A extends unknown[]>(
  run: (reporter: Reporter, ...args: A) => Promise<number>,
): (...args: A) => Promise<void> {
  return async (...args) => {
    const options = args.find(
      (arg): arg is A[number] & { json?: boolean } => typeof arg === 'object' && arg !== null && !Array.isArray(arg),
    );
    const reporter = new Reporter(options?.json === true, process.stdout, process.stderr, process.env);
    process.exitCode = await reporter.guard(() => run(reporter, ...args));
  };
}

serviceFlags(program.command('attach [container]', { isDefault: true }))
  .description('the console: edits travel both ways, the service reloads, s is a shell, c commits')
  .option('--dir <dir>', 'the folder on this machine')
  .option('--no-reload', 'synchronise only')
  .option('--restart', 'start the container again for good code that its service loads in no other way')
  .addHelpText('after', example('drydock attach debug --dir ~/models/diabetes'))
  .action(
    action(async (reporter, container: string | undefined, options: AttachFlags) =>
      (await import('./commands/attach.ts')).attach(reporter, container, options),
    ),
  );

serviceFlags(program.command('sync [container]'))
  .description('what the console does, without the screen')
  .option('--dir <dir>', 'the folder on this machine')
  .option('--once', 'until both sides are equal, then end')
  .addOption(
    new Option('--prefer <side>', 'whose version wins where both have content at first').choices(['host', 'container']),
  )
  .option('--union', 'keep everything of both sides at first')
  .option('--restore', 'of the deletes that sync halted at: the files come back from the other side')
  .option('--go-on <brakes>', 'what sync halted at is meant: mount, emptied, mass-delete, flood', words)
  .option('--no-reload', 'synchronise only')
  .option('--restart', 'start the container again for good code that its service loads in no other way')
  .option('--with-models', 'bring azureml-models here as well, one way; `drydock model put` is the way back')
  .option('--replace-models', 'the same, over copies here that differ and are too large for the journal')
  .option('--explain <path>', 'say which rule of which file decides whether a path is synchronised, and end')
  .addOption(json())
  .addHelpText(
    'after',
    example(
      'drydock sync debug --dir . --once',
      'drydock sync debug --dir . --once --with-models',
      'drydock sync debug --dir . --json',
    ),
  )
  .action(
    action(async (reporter, container: string | undefined, options: SyncFlags) =>
      (await import('./commands/sync.ts')).sync(reporter, container, options),
    ),
  );

program
  .command('conflicts [path...]')
  .description('what was changed on both sides; with --take it is settled, all or the paths that are named')
  .option('--dir <dir>', 'the folder on this machine (default: this one)')
  .addOption(new Option('--take <side>', 'whose version is wanted').choices(['host', 'container', 'both']))
  .addOption(json())
  .addHelpText('after', example('drydock conflicts', 'drydock conflicts --take container score.py'))
  .action(
    action(async (reporter, paths: string[], options: ConflictFlags) =>
      (await import('./commands/conflicts.ts')).conflicts(reporter, paths, options),
    ),
  );

program
  .command('undo [id...]')
  .description('what sync overwrote or deleted, on either side; with IDs those versions come back')
  .option('--dir <dir>', 'the folder on this machine (default: this one)')
  .option('--last <n>', 'how many are listed', (text) => Number(text), 20)
  .addOption(json())
  .addHelpText('after', example('drydock undo', 'drydock undo 3f9a1c20'))
  .action(
    action(async (reporter, ids: string[], options: UndoFlags) =>
      (await import('./commands/undo.ts')).undo(reporter, ids, options),
    ),
  );

serviceFlags(program.command('reload [container]'))
  .description('make the service answer with the code on its disk; the old code goes on when that fails')
  .option('--restart', 'start the container again for good code that its service loads in no other way')
  .addOption(json())
  .addHelpText('after', example('drydock reload debug'))
  .action(
    action(async (reporter, container: string | undefined, options: ReloadFlags) =>
      (await import('./commands/reload.ts')).reload(reporter, container, options),
    ),
  );

serviceFlags(program.command('probe [container] [probe]'))
  .description(
    'explain, step by step: env, the service’s Python and environment; entry, the script that serves; imports, its modules ' +
      'and packages; model-path, what Model.get_model_path finds; model, what made its files; init, what a fresh process makes of import and init(), and how long they take; ' +
      'run, what run() makes of a sample; health, what the service answers; start, whether a fresh process does as the service; all',
  )
  .option('--name <model>', 'the model’s name, when the entry script does not say it')
  .option('--model-version <n>', 'a version of the model', (text) => Number(text))
  .option('--profile', 'of init: seconds and MB of each import and each load of a model')
  .option('--data <file>', 'of run: the request (default: the sample, the example in swagger.json, the last good one)')
  .addOption(json())
  .addHelpText('after', example('drydock probe debug init --profile', 'drydock probe debug model-path --name diabetes'))
  .action(
    action(async (reporter, container: string | undefined, probe: string | undefined, options: ProbeFlags) =>
      (await import('./commands/probe.ts')).probe(reporter, container, probe, options),
    ),
  );

serviceFlags(program.command('score [container]'))
  .description('send a request to the service as a client does; of a failure, what the code raised, with its variables')
  .option('--data <file>', 'its body; - is standard input (default: the sample, or the last good request)')
  .option('--method <method>', 'its method', 'POST')
  .option('--header <line>', '“Name: value”, may be given again', again)
  .option('--content-type <type>', 'of the body (default: application/json where it is JSON)')
  .option('--timeout <seconds>', 'how long an answer is waited for', seconds, 60)
  .option('--rate <n>', 'as many a second, whatever the answers do, for --seconds', positive)
  .option('--seconds <n>', 'how long --rate goes on', positive, 10)
  .addOption(json())
  .addHelpText(
    'after',
    example('drydock score debug --data sample-request.json', 'drydock score debug --rate 20 --seconds 10'),
  )
  .action(
    action(async (reporter, container: string | undefined, options: ScoreFlags) =>
      (await import('./commands/score.ts')).score(reporter, container, options),
    ),
  );

serviceFlags(program.command('requests [container] [id]'))
  .description('what was asked of the service lately; with an ID that request, its answer and what the code raised')
  .addOption(json())
  .addHelpText('after', example('drydock requests debug', 'drydock requests debug 3f9a1c20'))
  .action(
    action(async (reporter, container: string | undefined, id: string | undefined, options: ServiceFlags) =>
      (await import('./commands/requests.ts')).requests(reporter, container, id, options),
    ),
  );

serviceFlags(program.command('replay [container] [id...]'))
  .description(
    'ask the code that serves now once more, and compare with the last good answers; exit 1 where they differ',
  )
  .option('--all', 'each question that is known, once')
  .option('--tolerance <part>', 'by how much numbers may differ, as a part of the larger', Number, 1e-6)
  .option('--timeout <seconds>', 'how long an answer is waited for', seconds, 60)
  .addOption(json())
  .addHelpText('after', example('drydock replay debug', 'drydock replay debug --all --json'))
  .action(
    action(async (reporter, container: string | undefined, ids: string[], options: ReplayFlags) =>
      (await import('./commands/replay.ts')).replay(
        reporter,
        container === undefined ? ids : [container, ...ids],
        options,
      ),
    ),
  );

serviceFlags(program.command('debug [container]'))
  .description('a debugger in the serving worker, at a port of this machine; it follows the worker over reloads')
  .option('--dir <dir>', 'the folder on this machine, for .vscode/launch.json (default: this one)')
  .option('--debug-port <port>', 'the port on this machine', port, 5678)
  .option('--wait', 'boot the code on disk once more, and hold it before its import until the editor has come')
  .option('--timeout <seconds>', 'for how long new code waits for the editor', seconds, 30)
  .option('--listen', 'for a service with AZUREML_DEBUG_PORT: its workers dial out to the editor')
  .option('--no-launch', 'leave .vscode/launch.json alone')
  .addOption(json())
  .addHelpText('after', example('drydock debug debug --dir ~/models/diabetes', 'drydock debug debug --wait'))
  .action(
    action(async (reporter, container: string | undefined, options: DebugFlags) =>
      (await import('./commands/debug.ts')).debug(reporter, container, options),
    ),
  );

serviceFlags(program.command('repl [container]'))
  .description('a Python prompt in a fork of the serving worker: its model is loaded, and the service does not notice')
  .option('-c, --command <code>', 'run this instead; the value of its last expression is printed')
  .addOption(json())
  .addHelpText('after', example('drydock repl debug', 'drydock repl debug -c "model.coef_"'))
  .action(
    action(async (reporter, container: string | undefined, options: ReplFlags) =>
      (await import('./commands/repl.ts')).repl(reporter, container, options),
    ),
  );

program
  .command('shell [container] [command...]')
  .description('a shell in the container, in the service’s own environment; or one command with its exit code')
  .option('--root <dir>', 'the app’s folder in the container')
  .addHelpText(
    'after',
    example('drydock shell debug', 'drydock shell debug -- python -c "import sklearn; print(sklearn.__version__)"'),
  )
  .action(
    action(async (reporter, container: string | undefined, command: string[], options: ShellFlags) =>
      (await import('./commands/shell.ts')).shell(reporter, container, command, options),
    ),
  );

program
  .command('logs [container]')
  .description('what the service printed')
  .option('-f, --follow', 'go on as it prints')
  .option('--tail <lines>', 'the last lines only', (text) => Number(text))
  .option('--grep <pattern>', 'only lines that match this regular expression')
  .addOption(json())
  .addHelpText('after', example('drydock logs debug --follow --grep Error'))
  .action(
    action(async (reporter, container: string | undefined, options: LogFlags) =>
      (await import('./commands/logs.ts')).logs(reporter, container, options),
    ),
  );

program
  .command('explain <file>')
  .description('what a log or message says, with cause and mend: of a build, a container, Azure’s portal, CLI and SDK')
  .addOption(json())
  .addHelpText(
    'after',
    example(
      'docker logs debug 2>&1 | drydock explain -',
      'drydock explain 20_image_build_log.txt',
      'drydock explain -',
    ),
  )
  .action(action(async (reporter, file: string) => (await import('./commands/explain.ts')).explain(reporter, file)));

program
  .command('replicas')
  .description('how many replicas a load needs so that nobody meets 503 or 429, in the names of v1 and v2')
  .requiredOption('--rps <n>', 'requests a second at the peak', positive)
  .option('--seconds <s>', 'seconds that a request takes', positive)
  .option('--from <container>', 'take them from what was asked of its service lately: the 95th percentile')
  .option('--utilization <part>', 'the part of them that may be busy', part, 0.7)
  .option('--per-replica <n>', 'requests that one works on at once', whole, 1)
  .addOption(json())
  .addHelpText(
    'after',
    example('drydock replicas --rps 20 --seconds 10', 'drydock replicas --rps 20 --seconds 0.4 --per-replica 4'),
  )
  .action(
    action(async (reporter, options: ReplicaFlags) =>
      (await import('./commands/replicas.ts')).replicas(reporter, options),
    ),
  );

const model = program.command('model').description('models of the service');

model
  .command('list [container]')
  .description('what lies in azureml-models: names, versions, files and bytes; `drydock sync --with-models` fetches it')
  .option('--root <dir>', 'the app’s folder in the container, when it is not the one that is found')
  .addOption(json())
  .addHelpText('after', example('drydock model list debug', 'drydock model list debug --json'))
  .action(
    action(async (reporter, container: string | undefined, options: ServiceFlags) =>
      (await import('./commands/model-list.ts')).listModels(reporter, container, options),
    ),
  );

serviceFlags(model.command('put <container-or-model> [name=path]'))
  .description('a file or folder becomes the model’s next version; one on which the code fails is taken away again')
  .addOption(json())
  .addHelpText('after', example('drydock model put debug diabetes=outputs/model.pkl'))
  .action(
    action(async (reporter, first: string, second: string | undefined, options: ServiceFlags) =>
      (await import('./commands/model.ts')).putModel(reporter, first, second, options),
    ),
  );

program
  .command('commit [container]')
  .description('the container as it is now becomes the next image, NAME:N')
  .option('--root <dir>', 'the app’s folder in the container, when it is not the one that is found')
  .option('--with-models', 'put mounted models into the image as well')
  .addOption(json())
  .addHelpText('after', example('drydock commit debug'))
  .action(
    action(async (reporter, container: string | undefined, options: CommitFlags) =>
      (await import('./commands/commit.ts')).commit(reporter, container, options),
    ),
  );

program
  .command('run <image>')
  .description('start an image as a container that survives its service, and open the console on it')
  .option('--name <name>', 'the container’s name', 'debug')
  .option('--port <port>', 'the port on this machine', port, 8000)
  .option('--debug-port <port>', 'publish a debugger on the container’s port 5678 as this port on this machine', port)
  .option('--dir <dir>', 'the folder on this machine, for the console')
  .option('--wait <seconds>', 'without a console: how long to wait for an answer', seconds, 600)
  .addOption(json())
  .addHelpText('after', example('drydock run debug:2 --name debug-2', 'drydock run debug:2 --json --wait 60'))
  .action(
    action(async (reporter, image: string, options: RunFlags) =>
      (await import('./commands/run.ts')).run(reporter, image, options),
    ),
  );

program
  .command('revive [container]')
  .description('a container that ended or keeps ending: its last state as a new one that survives, and why it ended')
  .option('--dir <dir>', 'the folder on this machine, for the console')
  .option('--wait <seconds>', 'without a console: how long to wait for an answer', seconds, 600)
  .addOption(json())
  .addHelpText('after', example('drydock revive debug', 'drydock revive debug --json'))
  .action(
    action(async (reporter, container: string | undefined, options: ReviveFlags) =>
      (await import('./commands/revive.ts')).revive(reporter, container, options),
    ),
  );

program
  .command('build <dir>')
  .description('an image in Azure’s layout from an entry script, its requirements and models')
  .option('--entry <script>', 'the entry script', 'score.py')
  .option('--requirements <file>', 'pip requirements')
  .option('--conda <file>', 'conda environment')
  .option('--model <name=path>', 'NAME[:VERSION]=PATH, may be given again', again)
  .option('--steps <file>', 'Dockerfile lines to add at the end, may be given again', again)
  .option('--dependency <folder>', 'unpacked under the app’s folder before the steps, may be given again', again)
  .option('--base <image>', 'the image to start from (default: Debian with Python, made here if need be)')
  .option('--user <user>', 'who the service runs as: root, or 1000', '1000')
  .option('--tag <tag>', 'the image’s name and version', 'debug:1')
  .option('--force', 'take the tag even from an image that was not built from this folder')
  .addOption(json())
  .addHelpText('after', example('drydock build examples/diabetes --model diabetes=model.pkl --tag debug:1'))
  .action(
    action(async (reporter, dir: string, options: BuildFlags) =>
      (await import('./commands/build.ts')).build(reporter, dir, options),
    ),
  );

program
  .command('kit <dir>')
  .description('write the agent’s kit into a folder, for `dependencies` of an image build')
  .addHelpText('after', example('drydock kit ./drydock-kit'))
  .action(action(async (reporter, dir: string) => (await import('./commands/kit.ts')).kit(reporter, dir)));

program
  .command('detach [container]')
  .description('leave the container as it was found: the agent ends, and goes where it was injected')
  .addOption(json())
  .addHelpText('after', example('drydock detach debug'))
  .action(
    action(async (reporter, container: string | undefined) =>
      (await import('./commands/detach.ts')).detach(reporter, container),
    ),
  );

// A reader that went away (`drydock logs | head`) is no error of ours.
// A terminal that hung up (EIO) is told by SIGHUP, which ends the verb in order.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
});

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
