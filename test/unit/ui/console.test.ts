import { beforeAll, describe, expect, it } from 'vitest';
import {
  NOON,
  exchange,
  failure,
  preview,
  probe,
  reloaded,
  rows,
  service,
  sync,
  view,
} from '../../fixtures/ui/sample.ts';
import { bundleUi, UiProgram } from '../../support/ui-program.ts';
import type { TerminalOptions } from '../../support/terminal.ts';

let program: string;
beforeAll(async () => {
  program = await bundleUi('console');
});

async function start(options: TerminalOptions = {}) {
  const ui = await UiProgram.start(program, options);
  await ui.terminal.waitFor('● healthy');
  return ui;
}

describe.each([
  [60, 15],
  [80, 24],
  [120, 38],
])('at %i×%i', (columns, rowCount) => {
  it('shows what is true of the container, the first thing to do, and the keys', async () => {
    await using ui = await start({ columns, rows: rowCount });
    const lines = ui.terminal.lines();
    expect(lines).toHaveLength(rowCount);
    expect(lines[0]).toMatch(/^ debug {3}debug:1 {3}a41c09e2 {3}● healthy {3}worker 41/);
    expect(lines[1]).toContain('⇄');
    expect(lines[1]).toContain(columns < 80 ? '12 files · 0 conflicts' : '12 files · 0 out · 0 in · 0 conflicts');
    expect(lines[2]).toContain('http://127.0.0.1:8000/score');
    expect(lines[3]).toContain('1 Files');
    expect(ui.terminal.screen()).toContain('▸ Edit ');
    expect(ui.terminal.screen()).toContain('score.py');
    expect(lines.at(-1)).toMatch(/^ .*\? keys {3}q quit/);
    expect(ui.terminal.alternate).toBe(true);
  });

  it('shows a failed reload in a line and its traceback on the whole screen', async () => {
    await using ui = await start({ columns, rows: rowCount });
    await ui.order({ do: 'view', view: { ...view, service: { ...service, lastReload: reloaded(NOON, failure) } } });
    await ui.terminal.waitFor("✗ score.py:14 NameError: name 'np' is not defined");
    ui.terminal.type('e');
    await ui.terminal.waitFor(' Traceback ');
    ui.terminal.type('\x1b[F'); // End
    await ui.terminal.waitFor('loading the model …');
    ui.terminal.type('\x1b');
    await ui.terminal.waitFor('1 Files');
  });

  it('is whole again after a resize', async () => {
    await using ui = await start({ columns, rows: rowCount });
    ui.terminal.resize(100, 30);
    await ui.terminal.until(
      (screen) => screen.split('\n').at(-1)?.includes('q quit') ?? false,
      'a footer at the bottom',
    );
    ui.terminal.resize(64, 16);
    const screen = await ui.terminal.until(
      (text) => (text.split('\n').at(-1)?.includes('q quit') ?? false) && text.startsWith(' debug'),
      'a whole screen',
    );
    expect(screen.match(/1 Files/g)).toHaveLength(1);
    expect(screen.split('\n').filter((line) => line.startsWith('───'))).toHaveLength(2);
  });
});

it('drops the first advice once something has travelled, and says how a reload went', async () => {
  await using ui = await start();
  const row = { ...rows[4], last: { to: 'container', ms: 3, at: Date.now() } } as (typeof rows)[number];
  await ui.order(
    { do: 'event', event: { event: 'synced', path: 'score.py', to: 'container', ms: 3 } },
    {
      do: 'view',
      view: {
        ...view,
        sync: { ...sync, out: 1, rows: [...rows.slice(0, 4), row] },
        service: { ...service, lastReload: reloaded(NOON) },
      },
    },
  );
  await ui.terminal.waitFor('✓ reloaded in 92 ms: checked 60 ms, switched 20 ms, answered 12 ms');
  const screen = await ui.terminal.waitGone('▸ Edit');
  expect(screen).toMatch(/score\.py +2\.1 kB +out 3 ms +just now/);
  expect(screen).toContain('reloaded in 92 ms at 12:04:31');
});

it('names conflicts and frozen files by a word', async () => {
  await using ui = await start({ env: { NO_COLOR: '1' } });
  await ui.order({
    do: 'view',
    view: {
      ...view,
      sync: {
        ...sync,
        conflicts: [{ path: 'score.py', kept: 'score.conflict-container-1a2b.py' }],
        rows: rows.map((row) =>
          row.path === 'score.py'
            ? { ...row, state: 'conflict', note: 'score.conflict-container-1a2b.py' }
            : row.path === 'helpers'
              ? { ...row, state: 'frozen', note: 'unreadable' }
              : row,
        ),
      },
    },
  });
  const screen = await ui.terminal.waitFor('1 conflict');
  expect(screen).toMatch(/! score\.py .*conflict · score\.conflict-container/);
  expect(screen).toMatch(/! helpers\/ .*frozen · unreadable/);
  // eslint-disable-next-line no-control-regex -- no colour is what is looked for
  expect(ui.terminal.output).not.toMatch(/\x1b\[[\d;]*3\dm/);
});

it('keeps Enter that is typed before the preview is there, and runs what was committed', async () => {
  await using ui = await start();
  ui.terminal.type('c\r');
  await ui.terminal.waitFor('Enter is kept');
  expect(ui.heard.map(({ asked }) => asked)).toEqual(['commitPreview']);
  await ui.order({ do: 'answer', to: 'commitPreview', value: preview });
  expect(await ui.asked('commit')).toBe('debug:2');
  await ui.terminal.waitFor('committing debug:2');
  await ui.order({ do: 'answer', to: 'commit', value: { tag: 'debug:2', imageId: 'sha256:1', ms: 92, notes: [] } });
  await ui.terminal.waitFor('debug:2 is there after 92 ms');
  ui.terminal.type('\r');
  expect(await ui.asked('run')).toBe('debug:2');
  await ui.terminal.waitFor('starting a container from debug:2');
  const run = { name: 'debug-2', id: 'b1', scoreUrl: 'http://127.0.0.1:8001/score' };
  await ui.order({ do: 'answer', to: 'run', value: run });
  await ui.terminal.waitFor('http://127.0.0.1:8001/score');
  ui.terminal.type('\r');
  await ui.terminal.waitFor('1 Files');
});

it('shows what will be in a commit, and Esc commits nothing', async () => {
  await using ui = await start();
  ui.terminal.type('c');
  await ui.terminal.waitFor('looking at what differs');
  await ui.order({ do: 'answer', to: 'commitPreview', value: preview });
  const screen = await ui.terminal.waitFor('from debug:1');
  expect(screen).toContain('12 kB');
  expect(screen).toMatch(/modified +score\.py/);
  expect(screen).toMatch(/added +helpers\/clean\.py/);
  expect(screen).toContain('214 paths outside');
  expect(screen).toContain('! The models folder is a mount');
  ui.terminal.type('\x1b');
  await ui.terminal.waitFor('1 Files');
  expect(ui.heard.map(({ asked }) => asked)).toEqual(['commitPreview']);
});

it('says why a commit failed', async () => {
  await using ui = await start();
  ui.terminal.type('c\r');
  await ui.order(
    { do: 'answer', to: 'commitPreview', value: preview },
    { do: 'fail', at: 'commit', message: 'The engine refused.', hint: 'Free some room.' },
  );
  await ui.terminal.waitFor('✗ The engine refused.');
  await ui.terminal.waitFor('→ Free some room.');
});

it('probes by key', async () => {
  await using ui = await start();
  ui.terminal.type('p');
  await ui.terminal.waitFor(/asking the service’s own Python … \d/);
  await ui.order({ do: 'answer', to: 'probe', value: probe });
  const screen = await ui.terminal.waitFor('1 of 3 steps not well');
  expect(screen).toMatch(/✓ interpreter/);
  expect(screen).toMatch(/✗ version/);
  expect(screen).toContain('→ Remove .DS_Store');
});

it('reloads by key and shows what it waits for', async () => {
  await using ui = await start();
  ui.terminal.type('r');
  await ui.asked('reload');
  await ui.terminal.waitFor(/reloading … \d/);
  await ui.order({ do: 'view', view: { ...view, service: { ...service, phase: 'checking' } } });
  await ui.terminal.waitFor('trying the new code; the old code goes on');
  await ui.order({ do: 'answer', to: 'reload', value: reloaded(NOON) }, { do: 'view', view });
  await ui.terminal.waitFor('✓ reloaded in 92 ms');
});

it('asks the question of the sync and answers it once', async () => {
  await using ui = await start();
  const question = {
    id: 'q7',
    text: 'Both sides have content that differs. Which one wins?',
    details: ['score.py: 2.1 kB here, 1.9 kB there'],
    choices: [
      { key: 'h', label: 'this machine’s', value: 'host' },
      { key: 'c', label: 'the container’s', value: 'container' },
    ],
  };
  await ui.order({ do: 'view', view: { ...view, sync: { ...sync, phase: 'question', question } } });
  const screen = await ui.terminal.waitFor('Both sides have content');
  expect(screen).toMatch(/c {3}the container’s/);
  expect(screen).toContain('score.py: 2.1 kB here');
  ui.terminal.type('xc');
  expect(await ui.asked('answer')).toBe('q7=container');
  await ui.terminal.waitFor('1 Files');
  expect(ui.heard).toHaveLength(1);
});

it('says what stops the work and what to do about it', async () => {
  await using ui = await start();
  const halted = { reason: 'the host folder is empty', hint: 'Press y to …' };
  await ui.order({ do: 'view', view: { ...view, sync: { ...sync, phase: 'halted', halted } } });
  await ui.terminal.waitFor('! sync halted: the host folder is empty');
  await ui.order({
    do: 'view',
    view: {
      ...view,
      link: { phase: 'waiting', reason: 'container paused', hint: 'docker unpause debug', since: Date.now() },
    },
  });
  await ui.terminal.waitFor('● waiting: container paused');
  await ui.terminal.waitFor('→ docker unpause debug');
});

it('keeps every key in a flood of 100,000 lines a second', async () => {
  await using ui = await start({ columns: 120, rows: 38 });
  ui.terminal.type('2');
  await ui.order({ do: 'flood', perSecond: 100_000 });
  await ui.terminal.waitFor('of a very busy service');
  ui.terminal.type('/12345');
  await ui.terminal.waitFor('/ 12345');
  ui.terminal.type('\x7f\x7f\x7f\x7f\x7fvery');
  await ui.terminal.waitFor('/ very▏');
  ui.terminal.type('\r');
  await ui.terminal.waitFor(/“very”: 10,000 lines · following/);
  ui.terminal.type('kkkkk');
  await ui.terminal.waitFor(/lines below/);
  await ui.order({ do: 'calm' });
  ui.terminal.type('G');
  await ui.terminal.waitFor('following');
  ui.terminal.type('q');
  expect((await ui.terminal.exited).exitCode).toBe(0);
}, 120_000);

it('obeys every key while probe, score and replay are not answered', async () => {
  await using ui = await start();
  await ui.order(
    { do: 'view', view: { ...view, requests: { ...view.requests, list: [{ ...exchange, size: 0, failed: null }] } } },
    { do: 'logs', lines: Array.from({ length: 40 }, (_, n) => ({ stream: 'stdout', text: `line ${n + 1}.`, at: 0 })) },
  );
  ui.terminal.type('p');
  await ui.asked('probe');
  await ui.terminal.waitFor(/asking the service’s own Python … \d/);
  ui.terminal.type('4t');
  await ui.asked('score');
  ui.terminal.type('a');
  expect(await ui.asked('replay')).toBe(exchange.id);
  await ui.terminal.waitGone('4 Score');
  ui.terminal.type('\x1b');
  await ui.terminal.waitFor('4 Score');

  ui.terminal.type('2');
  await ui.terminal.waitFor('line 40.');
  ui.terminal.type('g');
  await ui.terminal.waitFor('line 1.');
  ui.terminal.type('jj');
  await ui.terminal.waitGone('line 2.');
  ui.terminal.type('/39\r');
  await ui.terminal.waitFor('line 39.');
  ui.terminal.type('1');
  await ui.terminal.waitFor('helpers/');
  ui.terminal.type('?');
  await ui.terminal.waitFor(' Keys ');
  ui.terminal.type('\x1b');
  await ui.terminal.waitFor('helpers/');
  ui.terminal.type('5');
  await ui.terminal.waitFor('Press d: a debugger listens');
  ui.terminal.type('3');
  await ui.terminal.waitFor(/asking the service’s own Python … \d/);
  await ui.order({ do: 'answer', to: 'probe', value: probe });
  await ui.terminal.waitFor('1 of 3 steps not well');
  ui.terminal.type('q');
  expect((await ui.terminal.exited).exitCode).toBe(0);
});

it('hides its own requests and takes the teeth out of what the container prints', async () => {
  await using ui = await start();
  const line = (text: string) => ({ stream: 'stderr', text, at: 0 }) as const;
  ui.terminal.type('2');
  await ui.order({
    do: 'logs',
    lines: [
      line('127.0.0.1 - - [24/Nov/2026] "GET / HTTP/1.1" 200 7 "-" "drydock/0.1.0"'),
      line('127.0.0.1 - - [24/Nov/2026] "POST /score HTTP/1.1" 200 7 "-" "curl/8"'),
      line('\x1b[2J\x1b]0;owned\x07before \x1b[31mred\x1b[0m\x9b1mafter \u202egnitirw'),
      line('日本語のログ 🙂 ends'),
    ],
  });
  const screen = await ui.terminal.waitFor('日本語のログ 🙂 ends');
  expect(screen).toContain('curl/8');
  expect(screen).not.toContain('drydock/0.1.0');
  expect(screen).toContain('before red1mafter gnitirw');
  expect(screen).toContain('● healthy');
  expect(ui.terminal.output).not.toContain('owned');
});

it('says what a line of the log means, below the log and by key', async () => {
  await using ui = await start();
  ui.terminal.type('2');
  await ui.order({
    do: 'logs',
    lines: [
      { stream: 'stderr', text: 'Starting gunicorn 23.0.0', at: 0 },
      { stream: 'stderr', text: "\x1b[31mModuleNotFoundError: No module named 'cv2'\x1b[0m", at: 0 },
    ],
  });
  await ui.terminal.waitFor('▸ the Python that serves has no module cv2');
  const lines = ui.terminal.lines();
  expect(lines).toHaveLength(24);
  expect(ui.terminal.screen()).toMatch(/^▏Starting gunicorn 23\.0\.0$[^]*^▸ModuleNotFoundError/m);
  expect(lines[18]).toMatch(/^ ▸ the Python that serves/);
  expect(lines[19]).toMatch(/^ {3}→ a package: .*…$/);
  expect(lines.at(-1)).toContain('Enter why');
  ui.terminal.type('\r');
  const screen = await ui.terminal.waitFor(' Why ');
  expect(screen).toMatch(/mend {3}a package: python -m pip install opencv-python-headless/);
  expect(screen).toContain('known  https://github.com/');
  ui.terminal.type('\x1b');
  await ui.terminal.waitFor('following');
  ui.terminal.type('\x1b');
  await ui.terminal.waitGone('the Python that serves');
});

it('sends the scoring URL to the clipboard', async () => {
  await using ui = await start();
  ui.terminal.type('y');
  await ui.terminal.waitFor('sent to the clipboard: http://127.0.0.1:8000/score');
  const url = Buffer.from('http://127.0.0.1:8000/score').toString('base64');
  expect(ui.terminal.output).toContain(`\x1b]52;c;${url}\x07`);
});

describe('the shell', () => {
  it('has the whole terminal, hears of resizes, and gives it back when it ends', async () => {
    await using ui = await start();
    ui.terminal.type('secho $((6*7)) in the shell\r'); // typed before it is there
    await ui.terminal.waitFor('42 in the shell');
    expect(ui.terminal.alternate).toBe(false);
    expect(ui.terminal.screen()).toContain(
      'shell in debug as dockeruser, python /usr/bin/python3: Ctrl-] or exit returns',
    );
    ui.terminal.resize(100, 30);
    ui.terminal.type('until [ "$(stty size)" = "30 100" ]; do :; done; echo "seen $(stty size)"\r');
    await ui.terminal.waitFor(/^seen 30 100/m);
    ui.terminal.type("sh -c 'echo asleep; exec sleep 1000'\r");
    await ui.terminal.waitFor(/^asleep/m);
    ui.terminal.type('\x03');
    await ui.terminal.waitFor(/\^C[^]*inside\$/);
    ui.terminal.type('echo "still here"\r');
    await ui.terminal.waitFor(/^still here/m);
    ui.terminal.type('exit 3\r');
    await ui.terminal.waitFor('● healthy');
    const screen = await ui.terminal.waitFor('! the shell ended with exit code 3');
    expect(ui.terminal.alternate).toBe(true);
    expect(screen.split('\n')).toHaveLength(30);
    expect(screen).toMatch(/q quit$/);
    ui.terminal.type('?');
    await ui.terminal.waitFor(' Keys ');
  });

  it('ends by Ctrl-], in the middle of whatever it does', async () => {
    await using ui = await start();
    ui.terminal.type('s');
    await ui.terminal.waitFor('inside$');
    ui.terminal.type('printf "\\033[?1049h\\033[?1000hlike vim"; sleep 1000\r');
    await ui.terminal.waitFor('like vim');
    ui.terminal.type('\x1d');
    await ui.asked('shell closed');
    await ui.terminal.waitFor('● healthy');
    ui.terminal.type('q');
    expect((await ui.terminal.exited).exitCode).toBe(0);
    expect(ui.terminal.alternate).toBe(false);
  });
});

describe('on every way out the terminal is as it was', () => {
  const ends: readonly [string, (ui: UiProgram) => Promise<void> | void, number][] = [
    ['q', (ui) => ui.terminal.type('q'), 0],
    ['Ctrl-C', (ui) => ui.terminal.type('\x03'), 0],
    ['SIGTERM', (ui) => ui.terminal.kill('SIGTERM'), 143],
    ['SIGHUP', (ui) => ui.terminal.kill('SIGHUP'), 129],
    ['an exception', (ui) => ui.order({ do: 'throw', message: 'a bug of ours' }), 70],
  ];
  it.each(ends)('%s', async (_name, end, code) => {
    await using ui = await start();
    await end(ui);
    expect((await ui.terminal.exited).exitCode).toBe(code);
    expect(ui.terminal.alternate).toBe(false);
    expect(ui.terminal.output).toMatch(/\x1b\[\?25h[^]*$/); // eslint-disable-line no-control-regex
    expect(ui.terminal.screen()).toContain('debug goes on; edits no longer travel');
    expect(ui.terminal.screen()).toContain('drydock attach debug');
    if (code === 70) expect(ui.terminal.screen()).toContain('a bug of ours');
  });

  it('SIGTERM while a shell has the terminal', async () => {
    await using ui = await start();
    ui.terminal.type('s');
    await ui.terminal.waitFor('inside$');
    ui.terminal.kill('SIGTERM');
    expect((await ui.terminal.exited).exitCode).toBe(143);
    expect(ui.terminal.alternate).toBe(false);
  });

  it('a link that fails for good', async () => {
    await using ui = await start();
    const error = { code: 'no-container', message: 'Container debug was removed.', hint: 'Start it again.' } as const;
    await ui.order({ do: 'view', view: { ...view, link: { phase: 'failed', error } } });
    await ui.terminal.waitFor('✗ Container debug was removed.');
    await ui.terminal.waitFor('→ Start it again.');
    ui.terminal.type('q');
    expect((await ui.terminal.exited).exitCode).toBe(3);
    expect(ui.terminal.screen()).toContain('Left debug: Container debug was removed. Start it again.');
  });
});
