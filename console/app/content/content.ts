/** What stands between the header and the footer, the log apart: that scrolls by its own rules. */
import { layoutOf } from '../layout.ts';
import type { Content } from '../rows.ts';
import { openQuestion, type State } from '../state.ts';
import { commitRows } from './commit.ts';
import { conflictRows } from './conflict.ts';
import { detailRows } from './details.ts';
import { fileContent } from './files.ts';
import { helpRows } from './help.ts';
import { loadRows } from './load.ts';
import { openedRows, probeContent } from './probes.ts';
import { questionRows } from './question.ts';
import { debugRows } from './debug.ts';
import { replayRowsOf } from './replays.ts';
import { requestRows, scoreContent } from './score.ts';
import { undoRows } from './undo.ts';
import { explanationRows } from './why.ts';

export function contentOf(state: State): Content {
  const { columns } = state.size;
  const { dialog } = state;
  switch (dialog?.kind) {
    case 'help':
      return helpRows(columns);
    case 'details':
      return detailRows(dialog.failure, dialog.output, columns);
    case 'step':
      return openedRows(dialog.step, columns);
    case 'why':
      return explanationRows(dialog.said, columns);
    case 'commit':
      return commitRows(dialog.step, state.view?.service?.startCheck ?? null, state.now, columns);
    case 'undo':
      return undoRows(dialog, state.now, columns);
    case 'conflict':
      return conflictRows(dialog, state.now, columns);
    case 'request':
      return requestRows(dialog, state.now, columns);
    case 'load':
      return loadRows(state.load, state.now, columns);
    case 'replays':
      return state.replays === null ? [] : replayRowsOf(state.replays, state.now, columns);
    case undefined:
      break;
  }
  const question = openQuestion(state);
  if (question !== null) return questionRows(question, columns);
  switch (state.pane) {
    case 'probes':
      return probeContent(state, columns).rows;
    case 'score':
      return scoreContent(state, columns);
    case 'debug':
      return debugRows(state, columns);
    default:
      return fileContent(state, columns);
  }
}

/** The first row on the screen: what was scrolled to, as far as there are rows. */
export function scrollOf(state: State): number {
  const { dialog, pane } = state;
  if (dialog !== null) return clampScroll(state, dialog.scroll);
  if (openQuestion(state) !== null) return clampScroll(state, state.questionScroll);
  const { probe, score, debugScroll, files } = state;
  return clampScroll(
    state,
    { files: files.scroll, logs: 0, probes: probe.scroll, score: score.scroll, debug: debugScroll }[pane],
  );
}

export function clampScroll(state: State, scroll: number): number {
  return Math.max(0, Math.min(scroll, contentOf(state).length - layoutOf(state).body));
}
