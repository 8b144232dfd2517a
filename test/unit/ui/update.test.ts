import { format } from 'prettier';
import { describe, expect, it } from 'vitest';
import { bannerRows } from '../../../console/app/content/banner.ts';
import { contentOf } from '../../../console/app/content/content.ts';
import { headerRows } from '../../../console/app/content/header.ts';
import { helpMarkdown } from '../../../console/app/content/help.ts';
import { messageRows } from '../../../console/app/content/message.ts';
import { farewell } from '../../../console/app/farewell.ts';
import { healthOf } from '../../../console/app/health.ts';
import { actionOf, footerKeys, KEYMAP } from '../../../console/app/keymap.ts';
import { layoutOf } from '../../../console/app/layout.ts';
import type { Effect, Message } from '../../../console/app/message.ts';
import type { Row } from '../../../console/app/rows.ts';
import { initialState, type State } from '../../../console/app/state.ts';
import { nextTick } from '../../../console/app/tick.ts';
import { update } from '../../../console/app/update.ts';
import type { View } from '../../../console/engine/view.ts';
import type { LoadResult } from '../../../shared/core/requests.ts';
import { exchange, failure, NOON, preview, reloaded, service, sync, view } from '../../fixtures/ui/sample.ts';

const fresh = initialState({ now: NOON, size: { columns: 80, rows: 24 }, home: '/home/ada' });

/** The state and all effects after `messages`, each a millisecond after the last. */
function after(state: State, ...messages: readonly Message[]): readonly [State, readonly Effect[]] {
  let current = state;
  const effects: Effect[] = [];
  for (const message of messages) {
    const [next, wanted] = update(current, message, current.now + 1);
    current = next;
    effects.push(...wanted);
  }
  return [current, effects];
}

const key = (name: string): Message => ({ type: 'key', key: name });
const keys = (...names: string[]) => names.map(key);
const [ready] = after(fresh, { type: 'view', view });
const text = (rows: readonly Row[]) => rows.map((row) => row.map((piece) => piece.text).join('')).join('\n');

describe('commit', () => {
  const previewed: Message = { type: 'previewed', ticket: 1, outcome: { ok: true, value: preview } };
  const result = { tag: 'debug:2', imageId: 'sha256:1', ms: 92, notes: [] };
  const committed: Message = { type: 'committed', ticket: 1, outcome: { ok: true, value: result } };
  const commit = { do: 'commit', ticket: 1, tag: 'debug:2' };

  it('begins only with Enter, however early that was typed', () => {
    expect(after(ready, key('c'), previewed)[1]).toEqual([{ do: 'preview', ticket: 1 }]);
    expect(after(ready, key('c'), previewed, key('enter'))[1]).toContainEqual(commit);
    expect(after(ready, key('c'), key('enter'), previewed)[1]).toContainEqual(commit);
  });

  it('takes one early Enter for one answer, so that nothing is run unasked', () => {
    const [state, effects] = after(ready, ...keys('c', 'enter', 'enter', 'enter'), previewed, key('enter'), committed);
    expect(effects.map((effect) => effect.do)).toEqual(['preview', 'commit']);
    expect(state.dialog).toMatchObject({ step: { at: 'done' } });
  });

  it('is forgotten by Esc; a late preview changes nothing', () => {
    const [state, effects] = after(ready, ...keys('c', 'enter', 'escape'), previewed);
    expect(state.dialog).toBeNull();
    expect(effects).toEqual([{ do: 'preview', ticket: 1 }]);
  });

  it('does not take the preview of a dialog that was closed for that of the next', () => {
    const [state] = after(ready, ...keys('c', 'escape', 'c'), previewed);
    expect(state.dialog).toMatchObject({ ticket: 2, step: { at: 'preview' } });
  });

  it('goes on behind the panes, and is not begun twice', () => {
    const [behind] = after(ready, key('c'), previewed, ...keys('enter', 'escape'));
    expect(behind.dialog).toBeNull();
    const [again, effects] = after(behind, key('c'));
    expect(effects).toEqual([]);
    expect(text(messageRows(again, 80, 2))).toContain('debug:2 is still being committed');
    const [done] = after(again, committed);
    expect(text(messageRows(done, 80, 2))).toContain('committed debug:2');
    expect(after(done, key('c'))[1]).toEqual([{ do: 'preview', ticket: 2 }]);
  });

  it('offers to run what was committed', () => {
    const [state, effects] = after(ready, key('c'), previewed, key('enter'), committed, key('enter'));
    expect(effects.at(-1)).toEqual({ do: 'run', ticket: 1, image: 'debug:2' });
    const run = { name: 'debug-2', id: 'b', scoreUrl: 'http://127.0.0.1:8001/score' };
    const [started] = after(state, { type: 'started', ticket: 1, outcome: { ok: true, value: run } });
    expect(started.dialog).toMatchObject({ step: { at: 'started', run } });
    expect(after(started, key('escape'))[0].dialog).toBeNull();
  });
});

describe('what the last line says', () => {
  const say = (state: State) => text(messageRows(state, 200, 2));
  const withReload = (at: number, error?: typeof failure): Message => ({
    type: 'view',
    view: { ...view, service: { ...service, lastReload: reloaded(at, error) } },
  });

  it('is how the last reload went', () => {
    expect(say(after(ready, withReload(NOON, failure))[0])).toMatch(
      /✗ score\.py:14 NameError: name 'np' is not defined, in init\(\)\. Still serving the code of \d\d:04:31\./,
    );
    expect(say(after(ready, withReload(NOON))[0])).toContain(
      '✓ reloaded in 92 ms: checked 60 ms, switched 20 ms, answered 12 ms',
    );
  });

  it('goes back to a failure once a passing notice has passed', () => {
    const [state] = after(ready, withReload(NOON, failure), key('y'));
    expect(say(state)).toContain('sent to the clipboard');
    const [later] = update(state, { type: 'tick' }, state.now + 6000);
    expect(say(later)).toContain('NameError');
  });

  it('is an older notice no longer when a reload came after it', () => {
    const trouble = { message: 'No.', hint: 'Later.' };
    const [state] = after(ready, { type: 'shell-ended', outcome: { ok: false, trouble } });
    expect(say(state)).toBe(' ✗ No. Later.');
    expect(say(after(state, withReload(state.now + 10))[0])).toContain('✓ reloaded');
    expect(say(after(state, key('escape'))[0])).toBe('');
  });

  it('is what is waited for', () => {
    const [asked] = after(ready, key('r'));
    expect(say(asked)).toContain('reloading … 0.0 s');
    const checking = { ...view, service: { ...service, phase: 'checking' as const } };
    const [state] = after(asked, { type: 'view', view }, { type: 'view', view: checking });
    expect(say(state)).toContain('trying the new code');
    expect(say(after(state, { type: 'view', view })[0])).toBe('');
    expect(after(state, key('r'))[1]).toEqual([]);
  });

  it('is what was sent, and by which file where nobody named one', () => {
    const outcome = (file: string | null) => ({ ok: true, value: { exchange, file } }) as const;
    expect(say(after(ready, { type: 'scored', outcome: outcome(null) })[0])).toBe(' ✓ POST /score → 200 in 3.4 ms');
    expect(say(after(ready, { type: 'scored', outcome: outcome('sample.json') })[0])).toBe(
      ' ✓ sent sample.json: POST /score → 200 in 3.4 ms',
    );
  });

  it('is never longer than its rows', () => {
    const long = { ...failure, message: 'x '.repeat(500) };
    const rows = messageRows(after(ready, withReload(NOON, long))[0], 60, 2);
    expect(rows).toHaveLength(2);
    expect(text(rows)).toMatch(/…$/);
  });
});

describe('Asking often', () => {
  const say = (state: State) => text(messageRows(state, 80, 2));
  const shown = (state: State) => text(contentOf(state).slice(0, 100));
  const request = { ...exchange, size: 21, failed: null };
  const requests = { ...view.requests, list: [request] };
  const [score] = after(ready, { type: 'view', view: { ...view, requests } }, key('4'));
  const result: LoadResult = {
    sent: 50,
    achieved: 4.9,
    statuses: { 200: 50 },
    ms: { p50: 80, p90: 120, p95: 200, p99: 210, max: 220 },
    runMs: null,
  };

  it('a load: rate and seconds are proposed, or typed; its end is told with the replicas it needs', () => {
    const [open] = after(score, key('l'));
    expect(shown(open)).toMatch(/▸ requests a second +5▏\n {3}for so many seconds +10\n/);
    expect(after(open, key('enter'))[1]).toEqual([{ do: 'load', rate: 5, seconds: 10 }]);
    const typed = keys('2', 'z', '5', 'backspace', '0', 'tab', '3', 'enter');
    const [running, effects] = after(open, ...typed);
    expect(effects).toEqual([{ do: 'load', rate: 20, seconds: 3 }]);
    expect(shown(running)).toContain('asking 20 times a second for 3 s … 0.0 s');
    expect(nextTick(running)).toBe(200);
    expect(after(running, ...keys('7', 'enter', 'x'))[1]).toEqual([{ do: 'stop-asking' }]);
    const loaded: Message = { type: 'loaded', outcome: { ok: true, value: result } };
    const [done] = after(running, loaded);
    expect(shown(done)).toContain('✓ 50 requests at 20 a second, 4.9 answered a second (200: 50)');
    expect(shown(done)).toContain('p95 200 ms');
    expect(shown(done)).toContain('6 replicas: 20 requests a second × 0.2 s');
    // Left, it goes on, and its end is told.
    const [left] = after(running, key('escape'));
    expect(left.dialog).toBeNull();
    expect(say(left)).toContain('asking the service 20 times a second for 3 s … ');
    const [told] = after(left, loaded);
    expect(say(told)).toMatch(/✓ the load: 50 of 50 requests answered well, 95 % within 200 ms; l in Score\s+shows it/);
    expect(shown(after(told, key('l'))[0])).toContain('6 replicas');
    const failing = { ...result, statuses: { 200: 40, 0: 10 } };
    const [bad] = after(left, { type: 'loaded', outcome: { ok: true, value: failing } });
    expect(say(bad)).toContain('✗ the load: 40 of 50 requests');
    const trouble = { message: 'There is nothing to send.' };
    expect(shown(after(running, { type: 'loaded', outcome: { ok: false, trouble } })[0])).toContain(trouble.message);
  });

  it('a load of nothing is none', () => {
    const [open, effects] = after(score, ...keys('l', '0', 'enter'));
    expect(effects).toEqual([]);
    expect(shown(open)).toContain('Both are numbers above 0');
    expect(shown(after(open, ...keys('backspace', 'enter'))[0])).toContain('asking 5 times');
  });

  it('all requests: each as its answer comes; left, it goes on, and what came of it is there until it was read', () => {
    const line = (ok: boolean): Message => ({
      type: 'event',
      event: {
        event: 'replayed',
        line: {
          ...{ ok, headline: 'POST /score → 200 in 2.0 ms', before: { status: 200, ms: 3, at: NOON }, failed: null },
          differences: ok ? [] : [{ at: '$[0]', before: '2', now: '3' }],
        },
      },
    });
    const over: Message = { type: 'replayed-all', outcome: { ok: true, value: undefined } };
    const [running, effects] = after(score, key('A'), line(true), line(false));
    expect(effects).toEqual([{ do: 'replay-all' }]);
    expect(shown(running)).toMatch(/asking the code that serves now … .* 2 questions asked again: 1 not as before/);
    expect(shown(running)).toMatch(/✓ POST \/score → 200 in 2\.0 ms +before: 200 in 3\.0 ms at/);
    expect(shown(running)).toContain('≠ $[0]: 2 → 3');
    expect(nextTick(running)).toBe(200);
    const [left] = after(running, key('escape'), line(true));
    expect(say(left)).toContain('asking again all requests that are known (3)');
    const [told, again] = after(left, over, key('escape'), key('A'));
    expect(say(after(left, over)[0])).toContain('✗ 3 questions asked again: 1 not as before; A in Score shows them');
    expect(again).toEqual([]);
    expect(shown(told)).toContain('✗ 3 questions asked again');
    expect(after(told, ...keys('escape', 'A'))[1]).toEqual([{ do: 'replay-all' }]);
  });
});

describe('The Debug pane', () => {
  const shown = (state: State) => text(contentOf(state).slice(0, 100));

  it('holds the code for breakpoints in init() where the hook is there', () => {
    const [debug] = after(ready, key('5'));
    expect(shown(debug)).toContain('Press w for breakpoints in init()');
    expect(after(debug, key('w'))[1]).toEqual([{ do: 'hold' }]);
    const way = { kind: 'trial', reason: 'uvicorn has no master' } as const;
    const [other] = after(debug, { type: 'view', view: { ...view, service: { ...service, way } } });
    expect(shown(other)).toMatch(
      /cannot be held before its import for breakpoints in init\(\): uvicorn has\s+no master/,
    );
    expect(after(other, key('w'))[1]).toEqual([]);
    const waits = { pid: null, version: null, own: false, clients: 0, waitsUntil: NOON + 30_000, trouble: null };
    const on = { port: 5678, launch: null, trouble: null, stopped: null };
    const held = { ...view, debug: on, service: { ...service, debugger: waits } };
    const [state] = after(debug, { type: 'view', view: held });
    expect(shown(state)).toContain('is held before its import until the editor comes, 30 s more');
    expect(nextTick(state)).toBe(200);
  });

  it('shows the way of workers that dial out', () => {
    const [debug] = after(ready, key('5'));
    expect(after(debug, key('l'))[1]).toEqual([{ do: 'listen' }]);
    const listen = { port: 45_678, launch: null, trouble: null, worker: 'waits' } as const;
    const [state] = after(debug, { type: 'view', view: { ...view, listen } });
    expect(shown(state)).toContain('one has dialled and waits for the editor');
    expect(shown(state)).toContain('port       45678 of the container leads to 45678 of this machine');
    expect(footerKeys(state).map(({ label }) => label)).toContain('end listening');
  });
});

it('a problem of the whole folder is told with its mend', () => {
  const problems = [{ path: '', message: '/srv is read-only in the container: nothing arrives there.' }];
  const [state] = after(ready, { type: 'view', view: { ...view, sync: { ...sync, problems } } });
  expect(text(bannerRows(state, 80))).toBe(' ! /srv is read-only in the container: nothing arrives there.');
});

describe('undo', () => {
  const action = {
    id: 'a1',
    at: NOON,
    side: 'host',
    path: 'score.py',
    kind: 'overwritten',
    size: 9,
    kept: true,
  } as const;
  const list = Array.from({ length: 40 }, (_, n) => ({ ...action, id: `a${n}` }));
  const listed: Message = { type: 'undoable', outcome: { ok: true, value: list } };

  it('keeps the chosen action on the screen, and asks for that one once', () => {
    const down = Array.from({ length: 30 }, () => key('down'));
    const [state, effects] = after(ready, key('u'), listed, ...down, key('enter'), key('enter'));
    expect(effects).toEqual([{ do: 'list-undoable' }, { do: 'undo', id: 'a30' }]);
    const { scroll, cursor } = state.dialog?.kind === 'undo' ? state.dialog : { scroll: 0, cursor: 0 };
    expect(cursor).toBe(30);
    expect(scroll).toBeGreaterThan(30 - layoutOf(state).body);
    expect(scroll).toBeLessThanOrEqual(30);
    const end: Message = {
      type: 'undone',
      id: 'a30',
      outcome: { ok: true, value: { path: 'score.py', result: 'restored' } },
    };
    expect(after(state, end)[0]).toMatchObject({ dialog: null, notice: { text: 'score.py is back as it was' } });
  });

  it('tells what went wrong, also to one who has left', () => {
    const trouble = { message: 'score.py was changed meanwhile.' };
    const failed: Message = { type: 'undone', id: 'a0', outcome: { ok: false, trouble } };
    const [open] = after(ready, key('u'), listed, key('enter'), failed);
    expect(open.dialog).toMatchObject({ kind: 'undo', busy: null, trouble });
    const [left] = after(ready, key('u'), listed, ...keys('enter', 'escape'), failed);
    expect(left).toMatchObject({ dialog: null, notice: { tone: 'bad', text: trouble.message } });
  });
});

describe('conflicts', () => {
  const conflicts = ['a', 'b'].map((path) => ({ path, kept: `${path}.conflict-container-00000000` }));
  const [two] = after(ready, { type: 'view', view: { ...view, sync: { ...sync, conflicts } } });
  const compared = (n: number): Message => ({
    type: 'compared',
    kept: conflicts[n]?.kept ?? '',
    outcome: { ok: true, value: { path: '', kept: '', ...conflicts[n], host: 1, container: 2, lines: [] } },
  });

  it('come one after the other, and each is settled by a key that works once it is shown', () => {
    const [early, none] = after(two, ...keys('x', 'h'));
    expect(none).toEqual([{ do: 'compare', kept: conflicts[0]?.kept }]);
    const [state, effects] = after(early, compared(0), ...keys('h', 'h'));
    expect(effects).toEqual([{ do: 'settle', kept: conflicts[0]?.kept, take: 'host' }]);
    const done: Message = {
      type: 'settled',
      kept: conflicts[0]?.kept ?? '',
      take: 'host',
      outcome: { ok: true, value: null },
    };
    // The view may tell first that it is settled.
    const [next, more] = after(
      state,
      { type: 'view', view: { ...view, sync: { ...sync, conflicts: conflicts.slice(1) } } },
      done,
    );
    expect(next.notice?.text).toMatch(/^a: this machine’s version stays/);
    expect(next.dialog).toMatchObject({ kind: 'conflict', kept: conflicts[1]?.kept });
    expect(more).toEqual([{ do: 'compare', kept: conflicts[1]?.kept }]);
  });

  it('can be looked at in turn', () => {
    const [state] = after(two, key('x'), compared(0), key('tab'), compared(1));
    expect(state.dialog).toMatchObject({ kept: conflicts[1]?.kept });
    expect(after(state, key('tab'))[0].dialog).toMatchObject({ kept: conflicts[0]?.kept });
    expect(actionOf('x', ready)).toBeNull();
  });
});

describe('keys', () => {
  it('work only where they do something', () => {
    expect(actionOf('s', fresh)).toBeNull();
    expect(actionOf('s', ready)).toBe('shell');
    expect(actionOf('e', ready)).toBeNull();
    expect(footerKeys(ready).map((entry) => entry.key)).toEqual(['s', 'c', 'r', 'p', 'd', 'u', 'y', '/', '?', 'q']);
  });

  it('are letters while a filter is typed', () => {
    const [state, effects] = after(ready, ...keys('/', 'q', 's', '日', 'backspace', '?'));
    expect(effects).toEqual([]);
    expect(state.typing).toBe('qs?');
    expect(state.files.filter).toBe('qs?');
    expect(after(state, key('enter'))[0]).toMatchObject({ typing: null, files: { filter: 'qs?' } });
    expect(after(state, key('escape'))[0]).toMatchObject({ typing: null, files: { filter: '' } });
    expect(after(state, { type: 'paste', text: 'a\u001b[2Jb' })[0].typing).toBe('qs?ab');
  });

  it('are not pasted', () => {
    expect(after(ready, { type: 'paste', text: 'q' })).toEqual([{ ...ready, now: ready.now + 1 }, []]);
  });

  it('leave from anywhere by Ctrl-C', () => {
    for (const opened of ['?', 'c', '/']) {
      expect(after(ready, ...keys(opened, 'ctrl+c'))[1].at(-1)).toEqual({ do: 'quit' });
    }
  });

  it('wait while a shell is being opened', () => {
    const [state, effects] = after(ready, ...keys('s', 'q', 'c'));
    expect(effects.map((effect) => effect.do)).toEqual(['shell']);
    expect(nextTick(after(state, { type: 'shell-opened' })[0])).toBeNull();
  });

  it('do not scroll beyond what there is', () => {
    expect(after(ready, ...keys('down', 'pagedown', 'end', 'up'))[0].files.scroll).toBe(0);
    const [help] = after(ready, ...keys('?', 'end'));
    expect(help.dialog?.scroll).toBeGreaterThan(0);
    expect(after(help, ...keys('down', 'home'))[0].dialog?.scroll).toBe(0);
  });

  it('each have one meaning in a place', () => {
    const scopes = ['panes', 'filter', 'question', 'help', 'details', 'commit'] as const;
    for (const scope of scopes) {
      const meanings = KEYMAP.filter((binding) => binding.scopes.includes(scope) && binding.when === undefined);
      const all = meanings.flatMap((binding) => binding.keys);
      expect(all).toEqual([...new Set(all)]);
    }
  });

  it('are written down in docs/KEYS.md', async () => {
    const markdown = await format(helpMarkdown(), { parser: 'markdown' });
    await expect(markdown).toMatchFileSnapshot('../../../docs/KEYS.md');
  });
});

describe('an explained line of the log', () => {
  const logged: Message = {
    type: 'logs',
    lines: [{ stream: 'stdout', text: "ModuleNotFoundError: No module named 'cv2'", at: NOON }],
  };
  const [known] = after(ready, key('2'), logged);

  it('is told in two rows below the log, in one where there is little room', () => {
    const { why, body } = layoutOf(known);
    expect(text(why)).toMatch(
      /^ ▸ the Python that serves has no module cv2.*\n {3}→ a package: .*opencv-python-headless/,
    );
    expect(why.every((row) => text([row]).length <= 80)).toBe(true);
    expect(body).toBe(layoutOf(ready).body - 2);
    expect(layoutOf({ ...known, size: { columns: 60, rows: 15 } }).why).toHaveLength(1);
    expect(layoutOf(after(known, key('1'))[0]).why).toEqual([]);
  });

  it('is told whole by Enter, and goes by Esc or when new code serves', () => {
    const [open] = after(known, key('enter'));
    expect(open.dialog).toMatchObject({ kind: 'why', said: { rule: 'missing-module' } });
    expect(after(open, key('escape'))[0].logs.said).not.toBeNull();
    expect(after(known, key('escape'))[0].logs.said).toBeNull();
    expect(
      after(known, { type: 'reloaded', outcome: { ok: true, value: reloaded(NOON + 1) } })[0].logs.said,
    ).toBeNull();
    const failed = { type: 'reloaded', outcome: { ok: true, value: reloaded(NOON + 1, failure) } } as const;
    expect(after(known, failed)[0].logs.said).not.toBeNull();
  });

  it('stays while a filter is typed and left', () => {
    expect(after(known, ...keys('/', 'a', 'escape'))[0].logs.said).not.toBeNull();
  });
});

describe('the question of the sync', () => {
  const question = {
    id: 'q1',
    text: 'Which?',
    details: [],
    choices: [{ key: 'c', label: 'the container’s', value: 'v' }],
  };
  const asking: Message = { type: 'view', view: { ...view, sync: { ...sync, phase: 'question', question } } };

  it('has its keys before all others, and is answered once', () => {
    const [state, effects] = after(ready, asking, ...keys('x', 'c', 'c'), asking, key('c'));
    expect(effects).toEqual([{ do: 'answer', question: 'q1', value: 'v' }]);
    expect(state.answered).toBe('q1');
    expect(after(state, { type: 'view', view }, key('c'))[1]).toEqual([{ do: 'preview', ticket: 1 }]);
  });
});

describe('the first advice', () => {
  it('goes with the first journey after the sides were compared', () => {
    const synced: Message = { type: 'event', event: { event: 'synced', path: 'a', to: 'host', ms: 1 } };
    const starting: Message = { type: 'view', view: { ...view, sync: { ...sync, phase: 'starting' } } };
    const first: Message = { type: 'view', view: { ...view, sync: { ...sync, phase: 'working' } } };
    const done: Message = { type: 'event', event: { event: 'ready', dir: '/d', root: '/r', files: 1 } };
    expect(after(fresh, starting, first, synced)[0].begun).toBe(false);
    expect(after(fresh, first, synced, done, synced)[0].begun).toBe(true);
    expect(after(ready, synced)[0].begun).toBe(true);
  });
});

describe('the link', () => {
  const error = { code: 'no-container', message: 'No container debug.', hint: 'Start it.' } as const;
  const failed: Message = { type: 'view', view: { ...view, link: { phase: 'failed', error } } };

  it('that never came up ends the console; one that broke stays to be read', () => {
    expect(after(fresh, failed)[1]).toEqual([{ do: 'quit' }]);
    const [state, effects] = after(ready, failed);
    expect(effects).toEqual([]);
    expect(text(bannerRows(state, 80))).toBe(' ✗ No container debug.\n   → Start it.');
    expect(farewell(state.view, 'drydock attach')).toBe('Left debug: No container debug. Start it.');
  });
});

describe('the word for health', () => {
  it.each([
    ['healthy', service],
    ['failing', { ...service, health: 'unhealthy' as const }],
    ['not answering', { ...service, health: 'unreachable' as const }],
    ['starting', { ...service, health: 'unreachable' as const, workers: [] }],
    ['starting', { ...service, health: 'unknown' as const }],
    ['held', { ...service, masterPid: null, health: 'unreachable' as const }],
    ['no service', { ...service, server: 'none' as const, masterPid: null, hold: { held: false } }],
    ['starting', null],
  ])('%s', (word, of) => {
    expect(healthOf({ ...view, service: of }).word).toBe(word);
  });
});

describe('the rows of the screen', () => {
  it.each([
    [80, 24],
    [120, 38],
    [60, 15],
    [40, 10],
  ])('add up at %i×%i', (columns, rows) => {
    const state = { ...ready, size: { columns, rows } };
    const { header, rules, banner, body, message } = layoutOf(state);
    expect(header + 1 + (rules ? 2 : 0) + banner.length + body + message + 1).toBe(rows);
    for (const row of headerRows(state, columns, header)) expect(text([row]).length).toBeLessThanOrEqual(columns);
  });
});

describe('models', () => {
  const model = { name: 'big', version: '1', files: 1, bytes: 300_000_000, left: 0, here: 'none' } as const;
  const withModels = (models: View['sync']['models']): State =>
    after(ready, { type: 'view', view: { ...view, sync: { ...sync, models } } })[0];
  const labels = (state: State) => footerKeys(state).map(({ key: name, label }) => `${name} ${label}`);
  const fetching = {
    phase: 'fetching',
    bytes: 150_000_000,
    total: 300_000_000,
    transferred: 1,
    rate: 85e6,
    free: 9e9,
  } as const;

  it('are fetched by m, which the footer shows while there is something to fetch', () => {
    const missing = withModels({ models: [model], fetch: null });
    expect(labels(missing)).toContain('m fetch 300 MB');
    expect(after(missing, key('m'))[1]).toEqual([{ do: 'models' }]);
    const all = withModels({ models: [{ ...model, here: 'whole' }], fetch: null });
    expect(labels(all).filter((label) => label.startsWith('m '))).toEqual([]);
    expect(after(all, key('m'))[1]).toEqual([]);
  });

  it('can be stopped from every pane, and the header tells how far they are', () => {
    const state = withModels({ models: [model], fetch: fetching });
    expect(labels(after(state, key('2'))[0])).toContain('m stop fetching');
    expect(text(headerRows(state, 120, 3))).toContain('fetching models: 150 MB of 300 MB, 85 MB/s');
  });

  it('and what became of them stays until it is read', () => {
    const error = { code: 'halted', message: 'It does not fit.', hint: 'Make room.' } as const;
    const [state] = after(ready, { type: 'event', event: { event: 'unfetched', error } });
    expect(text(messageRows(state, 80, 2))).toContain('✗ It does not fit. Make room.');
  });
});
