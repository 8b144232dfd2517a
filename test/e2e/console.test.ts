/** The main job in a real terminal, on every kind of container that people have. */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { console, drydock, LiveContainer, score, until, Workspace, type LiveOptions } from '../support/live.ts';
import { derivedImage } from '../support/derived-image.ts';
import { engine } from '../support/engine.ts';
import type { Variant } from '../support/images.ts';

const ENTRY = 'score.py';

function edit(workspace: Workspace, change: (text: string) => string): void {
  const file = join(workspace.app, ENTRY);
  writeFileSync(file, change(readFileSync(file, 'utf8')));
}

/** Makes the answer carry a mark, so that it is known which code served it. */
const marked = (mark: string) => (text: string) =>
  text.replace(/return (?!json\.dumps\(\{'mark').*$/m, `return {'mark': '${mark}'}`);

async function untilMarked(url: string, mark: string): Promise<void> {
  await until(`/score says ${mark}`, async () => (await score(url)).body.includes(mark));
}

describe.each<[string, Variant, LiveOptions]>([
  ['a uid-1000 service that knows nothing of Drydock', 'plain-user', {}],
  ['a root service that knows nothing of Drydock', 'plain-root', {}],
  [
    'a uid-1000 service without a single privilege',
    'plain-user',
    { args: ['--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'] },
  ],
  ['a uid-1000 service with the agent baked in', 'user', {}],
  ['a root service with the agent baked in', 'root', {}],
  ['a container with a TTY', 'plain-user', { args: ['-t'] }],
])('%s', (_name, variant, options) => {
  test('attach, live edit, broken edit, shell, probe, commit, run the new image', async () => {
    using workspace = new Workspace();
    await using real = await engine();
    await using image = await derivedImage(real, variant);
    await using container = await LiveContainer.start(variant, { ...options, image: image.tag });
    const url = await container.scoreUrl();
    await using terminal = console(['attach', container.name, '--dir', workspace.app], workspace, {
      columns: 100,
      rows: 30,
    });

    // A true header, and the one thing to do first.
    await terminal.waitFor('healthy');
    await terminal.waitFor(container.name);
    await terminal.waitFor(url.replace('/score', ''));
    await terminal.waitFor(/Edit .*score\.py/);

    // A save becomes an answer.
    edit(workspace, marked('first'));
    await untilMarked(url, 'first');
    await terminal.waitFor(/✓.*reloaded|reloaded in/);

    // A broken save: the old code goes on, the line is shown.
    const good = readFileSync(join(workspace.app, ENTRY), 'utf8');
    writeFileSync(join(workspace.app, ENTRY), `${good}\nundefined_name\n`);
    await terminal.waitFor('NameError');
    await terminal.waitFor(/score\.py:\d+/);
    expect((await score(url)).body).toContain('first');

    // The mend serves.
    writeFileSync(join(workspace.app, ENTRY), marked('mended')(good.replace('first', 'mended')));
    await untilMarked(url, 'mended');
    await terminal.waitGone('NameError');

    // A real shell, in the service's own Python and folder; resize reaches it; what is edited there comes home.
    terminal.type('s');
    await terminal.waitFor(/\$ $|# $/m);
    terminal.resize(90, 25);
    terminal.type(
      'until [ "$(stty size)" = "25 90" ]; do :; done; echo resized; pwd; id -un; echo from-the-shell > note.txt\r',
    );
    await terminal.waitFor(/^resized/m);
    await terminal.waitFor('/var/azureml-app');
    terminal.type("sh -c 'echo waits; exec sleep 100'\r");
    await terminal.waitFor(/^waits/m); // an interrupt before that is the shell's own
    terminal.type('\x03'); // what is typed after an interrupt is read after it: a terminal flushes its input then
    await terminal.waitFor(/\^C[^]*[$#] $/m);
    terminal.type('echo back-$((40+2))\r');
    await terminal.waitFor('back-42');
    terminal.type('exit\r');
    await terminal.waitFor('healthy');
    await until('the note is on the host', () => {
      try {
        return readFileSync(join(workspace.app, 'note.txt'), 'utf8') === 'from-the-shell\n';
      } catch {
        return false;
      }
    });

    // The probes explain where the model is, and what a fresh start does.
    terminal.type('p');
    await terminal.waitFor(/azureml-models\/diabetes\/1/);
    await terminal.waitFor('all is well');
    terminal.type('G'); // the end of what does not fit the screen
    await terminal.waitFor(/fresh start +serves/);

    // A commit by key; the image says where it came from and serves the edited code.
    terminal.type('c');
    const tag = image.next;
    await terminal.waitFor(tag);
    try {
      terminal.type('\r');
      await terminal.waitFor(/✓|committed/);
      await until(
        `${tag} exists`,
        async () => (await execa('docker', ['image', 'inspect', tag], { reject: false })).exitCode === 0,
      );
      const { stdout } = await execa('docker', ['image', 'inspect', tag, '--format', '{{json .Config.Labels}}']);
      expect(stdout).toContain(container.id);
      terminal.type('\x1b');
      await terminal.waitFor('healthy');
      await using copy = await LiveContainer.start(variant, { image: tag, cold: true });
      await untilMarked(await copy.scoreUrl(), 'mended');
      if (variant.startsWith('plain')) {
        const { exitCode } = await execa('docker', ['exec', copy.name, 'test', '-e', '/opt/drydock'], {
          reject: false,
        });
        expect(exitCode).toBe(1);
      }
    } finally {
      await execa('docker', ['rmi', '-f', tag], { reject: false });
    }

    // Leaving: the terminal is sane, the container serves on.
    terminal.type('q');
    expect((await terminal.exited).exitCode).toBe(0);
    expect(terminal.alternate).toBe(false);
    expect((await score(url)).body).toContain('mended');
    expect((await drydock(['detach', container.name, '--json'], workspace)).exitCode).toBe(0);
    await untilMarked(url, 'mended');
  });
});

test('a bind-mounted app folder: watch and reload only, and a commit takes its content along', async () => {
  using workspace = new Workspace();
  // As the vendor's local endpoints have it: the code is a mount, the model is in the image.
  await execa('chmod', ['-R', 'a+rwX', workspace.dir]);
  await using seed = await LiveContainer.start('plain-user');
  await execa('docker', ['cp', `${seed.name}:/var/azureml-app/.`, workspace.app]);
  await using container = await LiveContainer.start('plain-user', {
    args: ['-v', `${workspace.app}:/var/azureml-app`],
  });
  const url = await container.scoreUrl();
  await using terminal = console(['attach', container.name], workspace, { columns: 100, rows: 30 });
  await terminal.waitFor('healthy');
  await terminal.waitFor(/bind|mount/);
  edit(workspace, marked('bound'));
  await untilMarked(url, 'bound');
  appendFileSync(join(workspace.app, ENTRY), '\nundefined_name\n');
  await terminal.waitFor('NameError');
  expect((await score(url)).body).toContain('bound');
  edit(workspace, (text) => text.replace('\nundefined_name\n', '').replace("'bound'", "'kept'"));
  await untilMarked(url, 'kept');
  const { exitCode, stdout } = await drydock(['commit', container.name, '--json'], workspace);
  expect(exitCode).toBe(0);
  const { tag } = JSON.parse(stdout) as { tag: string };
  try {
    await using copy = await LiveContainer.start('plain-user', { image: tag, cold: true });
    await untilMarked(await copy.scoreUrl(), 'kept');
  } finally {
    await execa('docker', ['rmi', '-f', tag], { reject: false });
  }
  terminal.type('q');
  expect((await terminal.exited).exitCode).toBe(0);
});

test('a port that is not published is reached over the link', async () => {
  using workspace = new Workspace();
  await using container = await LiveContainer.start('plain-user', { unpublished: true });
  await using terminal = console(['attach', container.name, '--dir', workspace.app], workspace, {
    columns: 120,
    rows: 30,
  });
  const screen = await terminal.waitFor(/http:\/\/127\.0\.0\.1:\d+/);
  const url = `${/http:\/\/127\.0\.0\.1:\d+/.exec(screen)?.[0]}/score`;
  await until('/score answers through the link', async () => (await score(url)).status === 200);
  terminal.type('q');
  await terminal.exited;
});

test('commits by verb, one after the other, and a detach that leaves no trace', async () => {
  using workspace = new Workspace();
  await using container = await LiveContainer.start('plain-user');
  const tags: string[] = [];
  try {
    for (let n = 0; n < 3; n++) {
      const { exitCode, stdout } = await drydock(['commit', container.name, '--json'], workspace);
      expect(exitCode).toBe(0);
      tags.push((JSON.parse(stdout) as { tag: string }).tag);
    }
    expect(new Set(tags).size).toBe(3);
  } finally {
    for (const tag of tags) await execa('docker', ['rmi', '-f', tag], { reject: false });
  }
  expect((await drydock(['detach', container.name], workspace)).exitCode).toBe(0);
  const { stdout: left } = await execa('docker', [
    'exec',
    '-u',
    '0',
    container.name,
    'sh',
    '-c',
    'ls -A /opt /dev/shm',
  ]);
  expect(left).not.toContain('drydock');
  const { stdout: running } = await execa('docker', ['top', container.name, '-eo', 'pid,args']);
  expect(running).not.toContain('agent.cjs');
});
