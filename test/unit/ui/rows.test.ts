import { describe, expect, it } from 'vitest';
import { choose, cut, cutPath, cutRow, ends, pad, span, widthOf, wrap, wrapWords } from '../../../console/app/rows.ts';

describe('widths are cells', () => {
  it.each([
    ['plain', 5],
    ['日本', 4],
    ['🙂', 2],
    ['👩‍👩‍👧', 2],
    ['é', 1],
  ])('%s', (text, cells) => {
    expect(widthOf(text)).toBe(cells);
  });

  it('cuts at a whole character', () => {
    expect(cut('日本語', 4)).toBe('日…');
    expect(cut('日本語', 6)).toBe('日本語');
    expect(cut('🙂🙂🙂', 5)).toBe('🙂🙂…');
    expect(cut('abc', 0)).toBe('');
    expect(pad('日本語', 5)).toBe('日本…');
    expect(pad('日', 4, 'right')).toBe('  日');
  });

  it('wraps wide characters whole', () => {
    expect(wrap('日本語ab', 5)).toEqual(['日本', '語ab']);
    expect(wrap('', 5)).toEqual(['']);
    expect(wrap('日本', 1)).toEqual(['日本']);
  });
});

it('wraps between words, and within one that is too long', () => {
  expect(wrapWords('one two three', 7)).toEqual(['one two', 'three']);
  expect(wrap('  one two three', 10)).toEqual(['  one two ', 'three']);
  expect(wrap('a bcdefghijklmn', 10)).toEqual(['a bcdefghi', 'jklmn']);
  expect(wrapWords('abcdefgh ij', 3)).toEqual(['abc', 'def', 'gh', 'ij']);
});

it('takes the middle out of a path, its name last', () => {
  expect(cutPath('~/models/diabetes/src/score.py', 20)).toBe('~/…/src/score.py');
  expect(cutPath('/var/azureml-app', 14)).toBe('/…/azureml-app');
  expect(cutPath('a_very_long_name.py', 8)).toBe('…name.py');
});

it('lets nothing through that moves a cursor or turns the reading', () => {
  expect(span('\u001b[2Ja\u0007b\u009bc\u202ed').text).toBe('abcd');
  expect(span('two\nrows').text).toBe('two rows');
  expect(cut('a\u001b[31mb', 10)).toBe('ab');
  expect(wrap('a\tb\rc', 20)).toEqual(['a    b c']);
});

it('puts two ends on a row, the left one giving way', () => {
  const text = (row: ReturnType<typeof ends>) => row.map((piece) => piece.text).join('');
  expect(text(ends([span('left')], [span('right')], 12))).toBe('left   right');
  expect(text(ends([span('a long left side')], [span('right')], 12))).toBe('a lo…  right');
  expect(text(cutRow([span('abc'), span('def')], 5))).toBe('abcd…');
});

it('gives up the least important first', () => {
  const parts = [
    { row: [span('name')], rank: 0 },
    { row: [span('image')], rank: 1 },
    { row: [span('id')], rank: 2 },
  ];
  const text = (width: number) =>
    choose(parts, width, ' ')
      .map((piece) => piece.text)
      .join('');
  expect(text(13)).toBe('name image id');
  expect(text(12)).toBe('name image');
  expect(text(5)).toBe('name');
});
