/** A text is looked for in a long one: gone to, marked, and left again. */
import { expect, test } from 'vitest';
import { contentOf, scrollOf } from '../../../console/app/content/content.ts';
import { messageRows } from '../../../console/app/content/message.ts';
import { marked } from '../../../console/app/find.ts';
import { footerKeys } from '../../../console/app/keymap.ts';
import { layoutOf } from '../../../console/app/layout.ts';
import { span, type Row } from '../../../console/app/rows.ts';
import { initialState, type State } from '../../../console/app/state.ts';
import { update } from '../../../console/app/update.ts';
import { failure, NOON, view } from '../../fixtures/ui/sample.ts';

const lines = Array.from({ length: 200 }, (_, n) => `  line ${n}${n % 50 === 7 ? ' needle' : ''}`);
const long = { ...failure, traceback: lines.join('\n'), frames: [] };
const opened: State = {
  ...initialState({ now: NOON, size: { columns: 80, rows: 24 }, home: '/home/ada' }),
  view,
  dialog: { kind: 'details', scroll: 0, failure: long, output: '' },
};

const press = (state: State, ...keys: string[]) =>
  keys.reduce((now, key) => update(now, { type: 'key', key }, NOON)[0], state);
const text = (rows: readonly Row[]) => rows.map((row) => row.map((piece) => piece.text).join('')).join('\n');
const shown = (state: State) => text(contentOf(state).slice(scrollOf(state), scrollOf(state) + layoutOf(state).body));
const said = (state: State) => text(messageRows(state, 80, 2));

test('a match is gone to while it is typed, then the next ones, round the ends', () => {
  const typed = press(opened, 'G', '/', ...Array.from('NEEDLE'));
  expect(shown(typed)).toContain('line 7 needle'); // past the end
  expect(said(typed)).toContain('NEEDLE▏   1 of 4');
  const kept = press(typed, 'enter');
  expect(said(kept)).toContain('/ NEEDLE   1 of 4');
  expect(footerKeys(kept)).toContainEqual({ key: 'n', label: 'next', rank: 1 });
  const third = press(kept, 'n', 'n');
  expect(shown(third)).toContain('line 107 needle');
  expect(shown(press(third, 'N'))).toContain('line 57 needle');
  expect(shown(press(kept, 'N'))).toContain('line 157 needle');
  expect(press(third, 'escape')).toMatchObject({ dialog: null, find: null });
});

test('what is nowhere moves nothing; Esc while typing is about the search alone', () => {
  const at = press(opened, 'pagedown');
  const typed = press(at, '/', ...Array.from('nowhere'));
  expect(scrollOf(typed)).toBe(scrollOf(at));
  expect(said(typed)).toContain('not found');
  expect(press(typed, 'escape')).toMatchObject({ typing: null, find: null, dialog: { kind: 'details' } });
  expect(press(typed, 'backspace')).toMatchObject({ typing: 'nowher' });
});

test('what was found is marked, across pieces of a row too', () => {
  const row = [span('the nee', 'dim'), span('dle and needles')];
  expect(marked(row, { text: 'needle', at: 0 })).toEqual([
    { text: 'the ', tone: 'dim' },
    { text: 'nee', tone: 'chosen' },
    { text: 'dle', tone: 'chosen' },
    { text: ' and ' },
    { text: 'needle', tone: 'chosen' },
    { text: 's' },
  ]);
});

test('with the text that it was in, however that goes, the search goes', () => {
  const dialog = {
    kind: 'conflict',
    scroll: 0,
    kept: 'k',
    since: NOON,
    comparison: null,
    busy: true,
    trouble: null,
  } as const;
  const typed = press({ ...opened, dialog }, '/', ...Array.from('no'));
  const settled = { type: 'settled', kept: 'k', take: 'host', outcome: { ok: true, value: null } } as const;
  expect(update(typed, settled, NOON)[0]).toMatchObject({ dialog: null, typing: null, find: null });
});
