/** The row of the panes' names, or a dialog's title; at its end, where in the pane the reader is. */
import { count } from '../format.ts';
import { layoutOf } from '../layout.ts';
import { linesBelow } from '../logs.ts';
import { ends, span, type Row } from '../rows.ts';
import { openQuestion, PANES, type State } from '../state.ts';
import { contentOf, scrollOf } from './content.ts';

export function tabsRow(state: State, columns: number): Row {
  return ends(titles(state), [span(place(state), 'dim'), span(' ')], columns);
}

function titles(state: State): Row {
  switch (state.dialog?.kind) {
    case 'help':
      return [span(' '), span(' Keys ', 'chosen')];
    case 'details': {
      const { type, message } = state.dialog.failure;
      return [span(' '), span(' Traceback ', 'chosen'), span(`  ${type}: ${message}`, 'bad')];
    }
    case 'step':
      return [span(' '), span(' Probe ', 'chosen'), span(`  ${state.dialog.step.name}`, 'bad')];
    case 'why':
      return [
        span(' '),
        span(' Why ', 'chosen'),
        span(`  ${state.dialog.said.stage}: ${state.dialog.said.rule}`, 'dim'),
      ];
    case 'commit':
      return [span(' '), span(' Commit ', 'chosen')];
    case 'request':
      return [span(' '), span(' Request ', 'chosen'), span(`  ${state.dialog.id}`, 'dim')];
    case 'load':
      return [span(' '), span(' Load ', 'chosen'), span('  many requests, and what they tell of replicas', 'dim')];
    case 'replays':
      return [span(' '), span(' Replay ', 'chosen'), span('  all requests that are known, each question once', 'dim')];
    case 'undo':
      return [span(' '), span(' Undo ', 'chosen'), span('  what sync overwrote or deleted', 'dim')];
    case 'conflict': {
      const { kept } = state.dialog;
      const all = state.view?.sync.conflicts ?? [];
      const at = all.findIndex((conflict) => conflict.kept === kept);
      const which = at < 0 ? '' : `  ${at + 1} of ${all.length}`;
      return [span(' '), span(' Conflict ', 'chosen'), span(which, 'dim'), span(`  ${all[at]?.path ?? ''}`, 'strong')];
    }
    case undefined:
      break;
  }
  if (openQuestion(state) !== null) return [span(' '), span(' Your choice ', 'chosen')];
  return [
    span(' '),
    ...PANES.flatMap(({ pane, title }, index): Row => [
      span(` ${index + 1} ${title} `, pane === state.pane ? 'chosen' : undefined),
      span(' '),
    ]),
  ];
}

function place(state: State): string {
  const { body } = layoutOf(state);
  const panes = state.dialog === null && openQuestion(state) === null;
  if (panes && state.pane === 'logs') {
    const { filter, shown, bottom } = state.logs;
    const below = linesBelow(state.logs);
    return [
      ...(filter === '' ? [] : [`“${filter}”: ${count(shown.length, 'line')}`]),
      bottom === null ? 'following' : `${count(below, 'line')} below`,
    ].join(' · ');
  }
  const total = contentOf(state).length;
  const from = scrollOf(state);
  const { files, score, probe } = state;
  const failed = probe.parts.flatMap(({ steps }) => steps).filter(({ ok }) => !ok).length;
  const filter = panes ? ({ files, score, probes: probe, logs: null, debug: null }[state.pane]?.filter ?? '') : '';
  return [
    ...(filter === '' ? [] : [`“${filter}”`]),
    ...(panes && state.pane === 'probes' && failed > 0 ? [`${failed} not well`] : []),
    ...(total > body ? [`${from + 1}–${Math.min(total, from + body)} of ${total} ↑↓`] : []),
  ].join(' · ');
}
