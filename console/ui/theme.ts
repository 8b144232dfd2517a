/** How a row's meaning looks: few colours of the terminal's own palette; without them, weight alone. */
import type { Row, Tone } from '../app/rows.ts';

export interface Theme {
  readonly colour: boolean;
}

/** https://no-color.org: any value but the empty one. */
export function themeFor(env: Readonly<Record<string, string | undefined>>): Theme {
  return { colour: (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb' };
}

/** SGR parameters: with colours, and without. */
const LOOKS: Readonly<Record<Tone, readonly [string, string]>> = {
  dim: ['2', '2'],
  strong: ['1', '1'],
  good: ['32', ''],
  bad: ['31', '1'],
  warn: ['33', ''],
  accent: ['36', ''],
  key: ['1;36', '1'],
  chosen: ['1;7', '1;7'],
};

export function paint(row: Row, { colour }: Theme): string {
  return row
    .map(({ text, tone }) => {
      const look = tone === undefined ? '' : LOOKS[tone][colour ? 0 : 1];
      return look === '' || text === '' ? text : `\u001b[${look}m${text}\u001b[0m`;
    })
    .join('');
}
