/** The whole screen, row by row. It draws what console/app/content says and decides nothing. */
import { memo } from 'react';
import { Box, Text } from 'ink';
import { contentOf, scrollOf } from '../app/content/content.ts';
import { marked } from '../app/find.ts';
import { footerRow } from '../app/content/footer.ts';
import { headerRows } from '../app/content/header.ts';
import { messageRows } from '../app/content/message.ts';
import { tabsRow } from '../app/content/tabs.ts';
import { layoutOf, SMALLEST, type Layout } from '../app/layout.ts';
import { logRows } from '../app/logs.ts';
import { cutRow, span, type Row } from '../app/rows.ts';
import { openQuestion, type Size, type State } from '../app/state.ts';
import { paint, type Theme } from './theme.ts';

/** What a terminal of that size shows. */
export interface Picture {
  readonly size: Size;
  readonly lines: readonly string[];
}

export function pictureOf(state: State, theme: Theme): Picture {
  const { columns, rows } = state.size;
  const all = columns < SMALLEST.columns || rows < SMALLEST.rows ? tooSmall(state) : screenRows(state);
  return { size: state.size, lines: all.slice(0, rows).map((row) => paint(cutRow(row, columns), theme)) };
}

export function samePicture(a: Picture, b: Picture): boolean {
  return (
    a.size.columns === b.size.columns &&
    a.size.rows === b.size.rows &&
    a.lines.length === b.lines.length &&
    a.lines.every((line, row) => line === b.lines[row])
  );
}

export function Screen({ size, lines }: Picture) {
  return (
    <Box flexDirection="column" width={size.columns} height={size.rows}>
      {lines.map((text, row) => (
        <Line key={row} text={text} />
      ))}
    </Box>
  );
}

const Line = memo(function Line({ text }: { readonly text: string }) {
  // An empty text would take no row.
  return <Text wrap="truncate">{text === '' ? ' ' : text}</Text>;
});

function screenRows(state: State): Row[] {
  const { columns } = state.size;
  const layout = layoutOf(state);
  const rule: Row[] = layout.rules ? [[span('─'.repeat(columns), 'dim')]] : [];
  return [
    ...filled(headerRows(state, columns, layout.header), layout.header),
    tabsRow(state, columns),
    ...rule,
    ...layout.banner,
    ...filled(bodyRows(state, layout), layout.body),
    ...layout.why,
    ...rule,
    ...filled(messageRows(state, columns, layout.message), layout.message),
    footerRow(state, columns),
  ];
}

function bodyRows(state: State, { body }: Layout): readonly Row[] {
  if (state.dialog === null && openQuestion(state) === null && state.pane === 'logs') {
    return logRows(state.logs, body, state.size.columns);
  }
  const from = scrollOf(state);
  const rows = contentOf(state).slice(from, from + body);
  const { dialog, find } = state;
  return dialog === null || find === null ? rows : rows.map((row) => marked(row, find));
}

function filled(rows: readonly Row[], height: number): Row[] {
  return Array.from({ length: height }, (_, index) => rows[index] ?? []);
}

function tooSmall({ size: { columns, rows } }: State): Row[] {
  return [
    [span(`${columns}×${rows} is too small.`)],
    [span(`The console needs ${SMALLEST.columns}×${SMALLEST.rows}.`)],
  ];
}
