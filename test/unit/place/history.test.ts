import { describe, expect, it } from 'vitest';
import { imageHistory, type HistoryRow } from '../../../console/place/docker/history.ts';

const row = (by: string, size: number): HistoryRow => ({
  Created: 1_700_000_000,
  CreatedBy: by,
  Comment: '',
  Size: size,
});

/** Newest first, as the engine tells it. */
const ROWS = [
  row('sh -c azmlinfsrv', 3),
  row('/bin/sh -c #(nop)  CMD ["runsvdir"]', 0),
  row('/bin/sh -c touch /nothing', 0),
  row('ENV A=b # buildkit', 0),
  row('/bin/sh -c #(nop) ADD file in / ', 1000),
];

describe('an image’s history', () => {
  it('is oldest first, with the layers that are there', () => {
    expect(imageHistory(ROWS, 3).map(({ created_by: by, empty_layer: empty }) => [by, empty])).toEqual([
      ['/bin/sh -c #(nop) ADD file in / ', undefined],
      ['ENV A=b # buildkit', true],
      ['/bin/sh -c touch /nothing', undefined],
      ['/bin/sh -c #(nop)  CMD ["runsvdir"]', true],
      ['sh -c azmlinfsrv', undefined],
    ]);
  });

  it('takes a step without a byte for no layer when the layers say so', () => {
    expect(imageHistory(ROWS, 2).filter(({ empty_layer: empty }) => empty === undefined)).toHaveLength(2);
  });

  it('is left out when it does not fit the layers', () => {
    expect(imageHistory(ROWS, 4)).toEqual([]);
    expect(imageHistory(ROWS, 1)).toEqual([]);
  });
});
