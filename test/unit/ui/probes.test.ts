import { expect, it } from 'vitest';
import { changeOf, probeContent } from '../../../console/app/content/probes.ts';
import { contentOf, scrollOf } from '../../../console/app/content/content.ts';
import { footerKeys } from '../../../console/app/keymap.ts';
import type { Message } from '../../../console/app/message.ts';
import { initialState, type State } from '../../../console/app/state.ts';
import { update } from '../../../console/app/update.ts';
import type { ProbeReport, ProbeStep } from '../../../shared/core/service.ts';
import { failure, NOON, reloaded, service, view } from '../../fixtures/ui/sample.ts';

const fresh = initialState({ now: NOON, size: { columns: 80, rows: 24 }, home: '/home/ada' });
const after = (state: State, ...messages: readonly Message[]): State =>
  messages.reduce((current, message) => update(current, message, current.now + 1)[0], state);
const key = (name: string): Message => ({ type: 'key', key: name });
const arrived = (report: ProbeReport): Message => ({ type: 'event', event: { event: 'probed', report } });
const text = (state: State) =>
  contentOf(state)
    .slice(0, 1000)
    .map((row) => row.map((piece) => piece.text).join(''))
    .join('\n');

const well: ProbeStep = { name: 'interpreter', ok: true, detail: '/usr/bin/python3' };
const place = {
  file: '/var/azureml-app/score.py',
  line: 14,
  source: { first: 13, lines: ['def init():', '    model = np.load(path)'] },
};
const raised: ProbeStep = {
  name: 'init()',
  ok: false,
  detail: "NameError: name 'np' is not defined",
  hint: 'import numpy as np',
  place,
  failure,
};
const report = (probe: string, ...steps: ProbeStep[]): ProbeReport => ({
  probe,
  ok: steps.every(({ ok }) => ok),
  steps,
  ms: 120,
});
const done = (...steps: ProbeStep[]): Message => ({
  type: 'probed',
  outcome: { ok: true, value: report('all', ...steps) },
});
const began = after(fresh, { type: 'view', view }, key('p'));

it('shows each report as it arrives, in their order, and the rest as pending', () => {
  const some = after(began, arrived(report('init', raised)), arrived(report('env', well)));
  const shown = text(some);
  expect(shown).toMatch(/asking the service’s own Python … .*1 of 2 steps not well +2 of 9/);
  expect(shown.indexOf('✓ env')).toBeLessThan(shown.indexOf('✗ init '));
  expect(shown).toMatch(/[◐◓◑◒] health/);
  expect(shown).toContain("score.py:14 NameError: name 'np' is not defined");
  expect(text(after(some, done(well, raised)))).toMatch(/✗ 1 of 2 steps not well: init\(\) +120 ms/);
});

it('opens the failing steps one after the other', () => {
  const other: ProbeStep = { ...raised, name: 'answer', place: { file: '/var/azureml-app/score.py', line: 20 } };
  const ended = after(
    began,
    arrived(report('env', well)),
    arrived(report('init', raised)),
    arrived(report('run', other)),
    done(well, raised, other),
  );
  expect(footerKeys(ended).map(({ key: name, label }) => `${name} ${label}`)).toEqual(
    expect.arrayContaining(['Enter open', 'n next failure']),
  );
  const opened = after(ended, key('enter'));
  expect(opened.dialog).toMatchObject({ kind: 'step', step: { name: 'init()' } });
  expect(text(opened)).toMatch(/ ▸ 14 │ {5}model = np\.load\(path\)/);
  expect(text(opened)).toContain('Traceback (most recent call last)');
  const second = after(ended, key('n'), key('enter'));
  expect(second.dialog).toMatchObject({ step: { name: 'answer' } });
  expect(after(ended, key('n'), key('n'), key('enter')).dialog).toMatchObject({ step: { name: 'init()' } });
  expect(after(second, key('escape')).dialog).toBeNull();
});

it('tells what is new and what is mended', () => {
  const before = report('init', raised, well);
  expect(changeOf({ ...raised, ok: true }, before)).toBe('mended');
  expect(changeOf(raised, before)).toBeNull();
  expect(changeOf({ ...well, ok: false }, before)).toBe('new');
  expect(changeOf(well, before)).toBeNull();
  expect(changeOf(raised, undefined)).toBeNull();
  const mended = { ...raised, ok: true };
  const again = after(began, arrived(report('init', mended)), done(mended), key('p'), arrived(report('init', raised)));
  expect(text(again)).toMatch(/✗ init\(\) +new {2}score\.py:14 NameError/);
  // Against the time when it was well last, not against the run before.
  const still = after(again, done(raised), key('p'), arrived(report('init', raised)), done(raised));
  expect(text(still)).toMatch(/✗ init\(\) +new {2}score\.py:14 NameError/);
  const whole = after(still, key('p'), arrived(report('init', mended)), done(mended));
  expect(text(whole)).toMatch(/✓ init\(\) +mended/);
  expect(text(after(whole, key('p'), arrived(report('init', mended)), done(mended)))).not.toMatch(/new|mended/);
  // Of one that was never well it is not known since when.
  const never = after(began, arrived(report('init', raised)), done(raised), key('p'), arrived(report('init', raised)));
  expect(text(never)).not.toContain('new  ');
});

it('says that a report is of code that is past, until p asks again', () => {
  const ended = after(began, arrived(report('init', raised)), done(raised));
  expect(text(ended)).not.toContain('before the last');
  const serves = (at: number): Message => ({
    type: 'view',
    view: { ...view, service: { ...service, lastReload: reloaded(at) } },
  });
  const saved = after(ended, {
    type: 'event',
    event: { event: 'synced', path: 'score.py', to: 'container', ms: 9 },
  });
  expect(text(saved)).toContain('! of the code before the last save; p asks again');
  const old = after(saved, serves(NOON + 1));
  expect(text(old)).toContain('! of the code before the last reload; p asks again');
  expect(text(old)).toContain('NameError');
  const asked = after(old, key('p'));
  expect(text(asked)).not.toContain('before the last');
  // What was reloaded while they ran may be of either.
  const meanwhile = after(asked, arrived(report('init', raised)), serves(NOON + 2), done(raised));
  expect(text(meanwhile)).toContain('! of the code before the last reload; p asks again');
  const attached = after(
    ended,
    { type: 'view', view: { ...view, link: { phase: 'waiting', reason: 'debug is gone.', hint: '', since: NOON } } },
    { type: 'view', view },
  );
  expect(text(attached)).toContain('! of the time before the link was lost; p asks again');
  expect(text(after(began, serves(NOON + 1)))).not.toContain('before the last');
});

it('times init() by another key; the other reports stay', () => {
  const ended = after(began, arrived(report('env', well)), arrived(report('init', raised)), done(well, raised));
  const [profiling, effects] = update(ended, key('P'), NOON);
  expect(effects).toEqual([{ do: 'profile' }]);
  expect(text(profiling)).toMatch(/timing the imports and loads of the code … /);
  expect(text(profiling)).toContain('✓ env');
  expect(text(profiling)).toMatch(/[◐◓◑◒] init/);
  const many = Array.from({ length: 40 }, () => well);
  const load: ProbeStep = { name: 'load', ok: true, detail: '0.9 s model.pkl' };
  const timed = report('init', { ...raised, ok: true }, load);
  const long = after(ended, key('p'), arrived(report('env', ...many)), done(...many));
  const stayed = after(long, key('P'), arrived(timed), { type: 'probed', outcome: { ok: true, value: timed } });
  expect(probeContent(stayed, 80).heads.get('init')).toBeGreaterThan(40);
  expect(scrollOf(stayed)).toBeGreaterThan(20);
  const left = after(profiling, key('1'), arrived(timed), { type: 'probed', outcome: { ok: true, value: timed } });
  expect(left.notice).toMatchObject({ tone: 'good', text: 'the probes: all is well' });
  expect(text(after(left, key('3')))).toMatch(/✓ init\(\) +mended[^]*✓ load +0\.9 s model\.pkl/);
});

it('filters by what a step says', () => {
  const filtered = after(
    began,
    arrived(report('env', well)),
    arrived(report('init', raised)),
    done(well, raised),
    key('/'),
    ...['n', 'u', 'm', 'p'].map(key),
  );
  expect(text(filtered)).toContain('init()');
  expect(text(filtered)).not.toContain('interpreter');
  expect(probeContent(filtered, 80).marks).toHaveLength(1);
  expect(text(after(filtered, key('escape')))).toContain('interpreter');
});

it('shows what was not run as neither well nor failed', () => {
  const skipped: ProbeStep = { name: 'run()', ok: true, skipped: true, detail: 'not run: init() failed' };
  const ended = after(began, arrived(report('init', raised)), arrived(report('run', skipped)), done(raised, skipped));
  expect(text(ended)).toMatch(/✗ 1 of 2 steps not well: init\(\) /);
  expect(text(ended)).toMatch(/– run +120 ms/);
  expect(text(ended)).toMatch(/– run\(\) +not run: init\(\) failed/);
  expect(changeOf(skipped, report('run', { ...skipped, ok: false }))).toBeNull();
});
