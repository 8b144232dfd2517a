/** How a terminal's rows are shared out. */
import { bannerRows } from './content/banner.ts';
import { whyRows } from './content/why.ts';
import type { Row } from './rows.ts';
import type { Size, State } from './state.ts';

export interface Layout {
  readonly columns: number;
  /** Rows of the header. */
  readonly header: number;
  readonly rules: boolean;
  /** What must be seen whatever pane is open. */
  readonly banner: readonly Row[];
  /** Rows of the pane or dialog. */
  readonly body: number;
  /** What the newest explained line of the log means, below the log. */
  readonly why: readonly Row[];
  /** Rows of the message above the footer. */
  readonly message: number;
}

/** Narrower or lower than this, only a note that says so is shown. */
export const SMALLEST: Size = { columns: 40, rows: 10 };

export function layoutOf(state: State): Layout {
  const { columns, rows } = state.size;
  const rules = rows >= 13;
  const header = rows >= 13 ? 3 : 2;
  const message = rows >= 18 ? 2 : 1;
  const stops = bannerRows(state, columns).slice(0, rows >= 20 ? 4 : 2);
  const banner = stops.length > 0 && rows >= 20 ? [...stops, []] : stops;
  const why = whyRows(state, columns, rows >= 18 ? 2 : 1);
  const fixed = header + 1 + 1 + message + (rules ? 2 : 0) + banner.length + why.length;
  return { columns, header, rules, banner, why, message, body: Math.max(1, rows - fixed) };
}
