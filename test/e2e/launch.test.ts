/** The first process of a container that `drydock run` made, where the image's command is the service itself. */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, test } from 'vitest';
import { derivedImage, type Difference } from '../support/derived-image.ts';
import { engine, uniqueName } from '../support/engine.ts';
import { scoringImage } from '../support/images.ts';
import { drydock, LiveContainer, Running, score, until, Workspace } from '../support/live.ts';

const SERVER = `import http.server, json, os, signal, subprocess


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        subprocess.call(['sh', '-c', 'sleep 0 &'])  # its child is an orphan
        self.send_response(200)
        self.end_headers()
        told = {name: os.environ.get(name) for name in ('PYTHONPATH', 'NODE_OPTIONS', 'LD_LIBRARY_PATH', 'OWN')}
        told['ignored'] = [one.name for one in signal.Signals if signal.getsignal(one) is signal.SIG_IGN]
        self.wfile.write(json.dumps(told).encode())

    do_POST = do_GET


http.server.HTTPServer(('0.0.0.0', 5001), Handler).serve_forever()
`;
const IMAGE: Difference = {
  files: { 'serve.py': SERVER },
  lines: [
    'RUN mkdir /srv/own && echo \'import os; os.environ["OWN"] = "chained"\' >/srv/own/sitecustomize.py',
    'ENV PYTHONPATH=/srv/own NODE_OPTIONS=--no-such-option LD_LIBRARY_PATH=/srv/own',
    'STOPSIGNAL SIGINT',
    'CMD ["python3", "serve.py"]',
  ],
};

test('runs the command as the image would: its variables, its signals, its orphans, its exit code', async () => {
  using workspace = new Workspace();
  await using real = await engine();
  await using image = await derivedImage(real, 'plain-root', IMAGE);
  await using container = await run(image.tag, workspace);
  const { body } = await score(container.scoreUrl);
  expect(JSON.parse(body)).toEqual({
    PYTHONPATH: '/opt/drydock/hook:/srv/own',
    NODE_OPTIONS: '--no-such-option',
    LD_LIBRARY_PATH: '/srv/own',
    OWN: 'chained',
    // What Python itself ignores, in a container without Drydock as well.
    ignored: ['SIGPIPE', 'SIGXFSZ'],
  });
  for (let i = 0; i < 5; i++) await score(container.scoreUrl);
  await until('every orphan is reaped', async () => {
    const states = 'for d in /proc/[0-9]*; do read -r _ _ state _ <$d/stat && echo $state; done 2>/dev/null';
    return !(await execa('docker', ['exec', container.name, 'sh', '-c', states])).stdout.includes('Z');
  });
  // The image's own signal to stop, which Python answers by KeyboardInterrupt.
  await execa('docker', ['stop', '-t', '600', container.name]);
  const { stdout } = await execa('docker', ['inspect', '-f', '{{.State.ExitCode}}', container.name]);
  expect(stdout).toBe('130');
});

test('a container that another build started gets this build’s agent beside its kit; a commit and a detach drop it', async () => {
  using workspace = new Workspace();
  await using other = otherBuild(workspace);
  await using container = await run(await scoringImage('plain-user'), { dir: workspace.dir, env: other.env });
  const { name, scoreUrl } = container;
  {
    await using sync = new Running(['sync', name, '--dir', workspace.app, '--json'], workspace);
    await sync.event('ready', ({ event }) => event === 'ready');
    const file = join(workspace.app, 'score.py');
    writeFileSync(file, readFileSync(file, 'utf8').replace(/return .*$/m, "return {'mark': 'new build'}"));
    await until('the edit answers', async () => (await score(scoreUrl)).body.includes('new build'));
  }
  const { stdout } = await drydock(['commit', name, '--json'], workspace);
  const { tag } = JSON.parse(stdout) as { tag: string };
  try {
    const { stdout: files } = await execa('docker', ['run', '--rm', '--entrypoint', 'find', tag, '/opt']);
    expect(files).toBe('/opt\n/opt/drydock');
  } finally {
    await execa('docker', ['rmi', '-f', tag], { reject: false });
  }
  expect(JSON.parse((await drydock(['detach', name, '--json'], workspace)).stdout)).toMatchObject({ kitRemoved: true });
  expect((await execa('docker', ['exec', name, 'ls', '/opt'])).stdout).toBe('drydock');
  expect((await score(scoreUrl)).status).toBe(200);
});

test('two builds on one container: the one that was attached before leaves, with the reason', async () => {
  using workspace = new Workspace();
  using second = new Workspace();
  await using other = otherBuild(second);
  await using container = await LiveContainer.start('plain-user');
  const argv = (app: string) => ['sync', container.name, '--dir', app, '--json'];
  await using former = new Running(argv(workspace.app), workspace);
  await former.event('ready', ({ event }) => event === 'ready');
  await using latter = new Running(argv(second.app), second, other.env);
  await latter.event('ready', ({ event }) => event === 'ready');
  expect(await former.exited).toBe(4);
  expect(former.stderr).toContain('Another build of Drydock was attached');
});

async function run(
  image: string,
  workspace: Pick<Workspace, 'dir' | 'env'>,
): Promise<AsyncDisposable & { readonly name: string; readonly scoreUrl: string }> {
  const name = uniqueName('launch');
  const { stdout } = await drydock(['run', image, '--name', name, '--json'], workspace);
  const told = JSON.parse(stdout) as { scoreUrl: string; stage: string };
  expect(told.stage).toBe('answered');
  return {
    name,
    scoreUrl: told.scoreUrl,
    [Symbol.asyncDispose]: async () => {
      await execa('docker', ['rm', '-f', '-v', name]);
    },
  };
}

/** The kit as another build would have it. */
function otherBuild(workspace: Workspace): AsyncDisposable & { readonly env: Readonly<Record<string, string>> } {
  const kit = join(workspace.dir, 'other-kit');
  cpSync('dist/kit', kit, { recursive: true });
  const version = readFileSync(join(kit, 'VERSION'), 'utf8').trim();
  const agent = join(kit, 'agent.cjs');
  writeFileSync(agent, readFileSync(agent, 'utf8').replaceAll(version, 'other'));
  writeFileSync(join(kit, 'VERSION'), 'other\n');
  return {
    env: { ...workspace.env, DRYDOCK_KIT: kit },
    [Symbol.asyncDispose]: async () => {
      rmSync(kit, { recursive: true, force: true });
      await execa('docker', ['volume', 'rm', 'drydock-kit-other'], { reject: false });
    },
  };
}
