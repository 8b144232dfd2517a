/** The Probes pane's keys and news: a run of the probes, its failing steps, and one of them opened. */
import type { ProbeReport } from '../../shared/core/service.ts';
import { PROBES } from '../engine/view.ts';
import { clampScroll } from './content/content.ts';
import { openable, probeContent } from './content/probes.ts';
import { layoutOf } from './layout.ts';
import type { Outcome } from './message.ts';
import type { State } from './state.ts';
import type { Step } from './step.ts';

export function beginProbes(before: State): Step {
  const state = { ...before, pane: 'probes' } as const;
  const { probe } = state;
  if (probe.since !== null) return [state, []];
  const known = probe.parts.length > 0 ? probe.parts : probe.before;
  const next = { ...probe, since: state.now, parts: [], before: known, ms: null, trouble: null, scroll: 0, chosen: 0 };
  return [{ ...state, probe: next }, [{ do: 'probe' }]];
}

/** They come as they are there, and stand in their order. */
export function probeArrived(state: State, report: ProbeReport): State {
  const { probe } = state;
  if (probe.since === null) return state;
  const rank = ({ probe: name }: ProbeReport): number => PROBES.findIndex((known) => known === name);
  const parts = [...probe.parts, report].toSorted((a, b) => rank(a) - rank(b));
  return { ...state, probe: { ...probe, parts } };
}

export function probesDone(state: State, outcome: Outcome<ProbeReport>): State {
  const probe = { ...state.probe, since: null };
  if (!outcome.ok) return { ...state, probe: { ...probe, trouble: outcome.trouble } };
  const { value } = outcome;
  const done = { ...state, probe: { ...probe, parts: probe.parts.length > 0 ? probe.parts : [value], ms: value.ms } };
  // Who has not begun to read sees what is not well.
  return probe.scroll === 0 ? choose(done, 0) : done;
}

/** The failing step so many further on; it is on the screen. */
export function choose(state: State, by: number): State {
  const count = openable(state).length;
  if (count === 0) return state;
  const chosen = (state.probe.chosen + by) % count;
  const next = { ...state, probe: { ...state.probe, chosen, filter: '' } };
  const row = probeContent(next, state.size.columns).marks[chosen] ?? 0;
  const { body } = layoutOf(next);
  const { scroll } = next.probe;
  const isSeen = row >= scroll && row < scroll + body - 2;
  return isSeen ? next : { ...next, probe: { ...next.probe, scroll: clampScroll(next, row - Math.floor(body / 3)) } };
}

export function openStep(state: State): State {
  const step = openable(state)[state.probe.chosen];
  return step === undefined ? state : { ...state, dialog: { kind: 'step', scroll: 0, step } };
}
